//! The IOMMU: which memory a function's DMA reaches, and which interrupts it may raise.

pub mod vtd;

use self::vtd::Vtd;
use addr::{GuestPhysical, HostPhysical, Range, RequesterId};
use page_table::{Leaves, MapError};
use thiserror::Error;

use crate::host::frames;
use crate::pci::inventory::Inventory;

/// The machine's IOMMUs, if it has any. Without, no function is ever assigned.
pub struct Iommu(Option<Vtd>);

/// Why the IOMMU cannot be used, or cannot do what it is asked.
#[derive(Debug, Error)]
pub enum IommuError {
    /// The firmware describes none.
    #[error("the firmware describes no IOMMU (no DMAR table)")]
    Absent,
    /// The firmware's description is damaged.
    #[error("the firmware's DMAR table: {0}")]
    Table(::vtd::DmarError),
    /// A unit cannot do something that Bulkhead needs.
    #[error("the IOMMU has no {0}")]
    Missing(&'static str),
    /// A unit did not do in time what it was told.
    #[error("the IOMMU did not answer: {0}")]
    Timeout(&'static str),
    /// No frame is left for its tables.
    #[error("no memory is left for the IOMMU's tables")]
    OutOfFrames,
    /// No interrupt-remapping entry is left.
    #[error("no interrupt-remapping entry is left")]
    OutOfInterrupts,
    /// Firmware keeps memory reachable for this function (RMRR).
    #[error("the firmware keeps memory of its own reachable for {0} (RMRR)")]
    ReservedMemory(RequesterId),
    /// Another function has the same requester ID.
    #[error("another function has the requester ID {0}")]
    Taken(RequesterId),
    /// No unit is responsible for the function.
    #[error("no IOMMU is responsible for it")]
    Uncovered,
    /// Requests of this function may come with a requester ID that others have as well.
    #[error("its requests cannot be told from those of other functions behind the bridge {0}")]
    SharedRequester(RequesterId),
    /// A second-stage table could not be built.
    #[error("a second-stage table: {0}")]
    Map(MapError),
}

/// Consecutive interrupt-remapping entries of one function.
#[derive(Debug, Clone, Copy, Default)]
pub struct InterruptBlock {
    first: u16,
    count: u16,
}

impl InterruptBlock {
    /// The message, address and data, by which a device names the entry of `vector`.
    pub fn message(&self, vector: u16) -> Option<(u64, u32)> {
        self.index(vector).map(::vtd::remapping::remappable_message)
    }

    fn index(&self, vector: u16) -> Option<u16> {
        if vector < self.count {
            self.first.checked_add(vector)
        } else {
            None
        }
    }

    fn indices(&self) -> impl Iterator<Item = u16> + use<> {
        let first = self.first;
        (0..self.count).filter_map(move |vector| first.checked_add(vector))
    }
}

/// What one partition's functions reach: its own memory, at the guest's addresses.
pub struct Domain(Option<vtd::Domain>);

impl Iommu {
    /// Finds every unit and blocks all DMA and all interrupts but remapped ones.
    ///
    /// # Errors
    /// There is no unit although the plan requires one, or one does not work.
    pub fn block_all(dmar: Option<&'static [u8]>, wanted: plan::Iommu) -> Result<Self, IommuError> {
        match (dmar, wanted) {
            (Some(dmar), _) => Vtd::block_all(dmar).map(|vtd| Self(Some(vtd))),
            (None, plan::Iommu::None) => Ok(Self(None)),
            (None, plan::Iommu::Required) => Err(IommuError::Absent),
        }
    }

    /// Whether the function at `address` can be confined: a unit is responsible for it, firmware
    /// keeps no memory reachable for it, and its requests can be told from those of others. What
    /// holds for a physical function holds for its virtual ones.
    ///
    /// # Errors
    /// Says why it cannot.
    pub fn check(&self, address: RequesterId, inventory: &Inventory) -> Result<(), IommuError> {
        let behind = |bridge| inventory.behind(bridge);
        self.vtd()?.check(address, &behind)?;
        match inventory.merging_bridge(address.bus()) {
            Some(bridge) => Err(IommuError::SharedRequester(bridge)),
            None => Ok(()),
        }
    }

    /// Where the units' registers are.
    pub fn registers(&self) -> impl Iterator<Item = Range<HostPhysical>> + '_ {
        self.0.iter().flat_map(Vtd::registers)
    }

    fn vtd(&self) -> Result<&Vtd, IommuError> {
        self.0.as_ref().ok_or(IommuError::Absent)
    }

    /// Lets the function at `address` reach `memory`, at the same addresses, and nothing else.
    /// Gives the frames of the second-stage table, which nobody needs when it is revoked.
    ///
    /// # Errors
    /// There is no IOMMU, or no memory for its tables.
    pub fn grant(
        &self,
        address: RequesterId,
        memory: Range<HostPhysical>,
    ) -> Result<Range<HostPhysical>, IommuError> {
        let vtd = self.vtd()?;
        let same = GuestPhysical::new(memory.start().as_u64());
        let same = Range::new(same, memory.bytes()).ok_or(IommuError::OutOfFrames)?;
        let pieces = [(same, memory)].into_iter();
        let (domain, table) = frames::taken_by(|| vtd.new_domain(vtd::STEWARD_DOMAIN, pieces));
        vtd.attach(address, &domain?)?;
        table.ok_or(IommuError::OutOfFrames)
    }

    /// Takes all memory away from the function at `address`.
    ///
    /// # Errors
    /// The IOMMU does not answer.
    pub fn revoke(&self, address: RequesterId) -> Result<(), IommuError> {
        self.0.as_ref().map_or(Ok(()), |vtd| vtd.detach(address))
    }

    /// Takes `count` consecutive interrupt-remapping entries.
    ///
    /// # Errors
    /// There is no IOMMU, or it has not as many left.
    pub fn allocate_interrupts(&self, count: u16) -> Result<InterruptBlock, IommuError> {
        self.vtd()?.allocate_interrupts(count)
    }

    /// Lets `requester` raise `interrupt` by the message of `vector` of `block`.
    ///
    /// # Errors
    /// There is no such vector, or the IOMMU does not answer.
    pub fn set_interrupt(
        &self,
        block: &InterruptBlock,
        vector: u16,
        requester: RequesterId,
        interrupt: vdev::message::Interrupt,
    ) -> Result<(), IommuError> {
        let index = block.index(vector).ok_or(IommuError::OutOfInterrupts)?;
        self.vtd()?.set_interrupt(index, requester, interrupt)
    }

    /// Takes all interrupts of `block` away.
    ///
    /// # Errors
    /// The IOMMU does not answer.
    pub fn clear_interrupts(&self, block: &InterruptBlock) -> Result<(), IommuError> {
        let Some(vtd) = &self.0 else { return Ok(()) };
        block
            .indices()
            .try_for_each(|index| vtd.clear_interrupt(index))
    }

    /// Hands every fault that the units have recorded to `report`.
    pub fn take_faults(&self, report: impl FnMut(&::vtd::FaultRecord)) {
        if let Some(vtd) = &self.0 {
            vtd.take_faults(report);
        }
    }
}

impl Domain {
    /// What reaches nothing: a partition without functions needs no table.
    pub const EMPTY: Self = Self(None);

    /// A domain of partition `index` that reaches `memory`. Without an IOMMU it is empty.
    ///
    /// # Errors
    /// No memory is left for its table.
    pub fn new(
        iommu: &Iommu,
        index: usize,
        memory: impl Iterator<Item = vtd::Piece> + Clone,
    ) -> Result<Self, IommuError> {
        let Some(vtd) = &iommu.0 else {
            return Ok(Self::EMPTY);
        };
        let number = u16::try_from(index).map_err(|_| IommuError::OutOfFrames)?;
        let number = number.saturating_add(vtd::FIRST_PARTITION_DOMAIN);
        vtd.new_domain(number, memory)
            .map(|domain| Self(Some(domain)))
    }

    /// What its table is made of.
    pub fn leaves(&self) -> Leaves {
        self.0
            .as_ref()
            .map_or_else(Leaves::default, |domain| domain.leaves)
    }

    /// Lets the partition's functions reach its memory.
    ///
    /// # Errors
    /// Somebody has one of their requester IDs, no memory is left for a table, or a unit does not
    /// answer.
    pub fn attach(&self, iommu: &Iommu, functions: &[RequesterId]) -> Result<(), IommuError> {
        let (Some(vtd), Some(domain)) = (&iommu.0, &self.0) else {
            return Ok(());
        };
        functions
            .iter()
            .try_for_each(|address| vtd.attach(*address, domain))
    }

    /// Takes all memory away from the partition's functions, and lets the units forget what
    /// they reached.
    ///
    /// # Errors
    /// A unit does not answer: a function may still reach the partition's memory.
    pub fn detach(&self, iommu: &Iommu, functions: &[RequesterId]) -> Result<(), IommuError> {
        match (&iommu.0, &self.0) {
            (Some(vtd), Some(domain)) => vtd.detach_all(functions, domain),
            _ => Ok(()),
        }
    }
}
