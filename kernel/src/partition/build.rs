//! Building one partition out of its plan: memory, tables, devices, image, virtual CPUs.

extern crate alloc;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64};

use addr::{ApicId, GuestPhysical, HostPhysical, Range, RequesterId};
use guest_image::acpi::AcpiError;
use guest_image::layout::LayoutError;
use guest_image::{ImageError, MemoryMap, OutOfRange};
use image_room::Room;
use page_table::{Access, MapError, MemoryKind, PageTable};
use plan::bundle::Bundle;
use plan::{Fit, Plan, Violation};
use spin::Mutex;
use thiserror::Error;
use vdev::cpuid::GuestIdentity;
use vdev::io_apic::IoApic;
use vdev::processor::Processor;
use vdev::uart::Uart;

use super::custody::Custody;
use super::devices::{self, DeviceError};
use super::memory::GuestRam;
use super::pristine::Pristine;
use super::provision::Provision;
use super::{Partition, Translation, life};
use crate::cpu::core::{Core, OutOfFrames};
use crate::cpu::{bring_up, local_apic, time};
use crate::host::frames::{self, CoherentTables};
use crate::host::physical;
use crate::iommu::{Domain, Iommu, IommuError};
use crate::pci::inventory::Inventory;
use crate::vcpu::Backend;
use crate::vcpu::instruction::cpuid;
use crate::vcpu::quick::Quick;
use crate::vcpu::seat::{Occupant, Seat};

/// Why a partition could not be built.
#[derive(Debug, Error)]
pub enum BuildError<'a> {
    /// The plan does not fit the machine.
    #[error("{0}")]
    DoesNotFit(&'a Violation),
    /// No frame is left.
    #[error("no memory is left for its tables")]
    OutOfFrames,
    /// Guest memory cannot be laid out.
    #[error("its memory: {0}")]
    Layout(#[from] LayoutError),
    /// Its second-stage table could not be built.
    #[error("its second-stage table: {0:?}")]
    Map(#[from] MapError),
    /// The IOMMU refused.
    #[error("{0}")]
    Iommu(#[from] IommuError),
    /// One of its functions cannot be given away.
    #[error("function {0}: {1}")]
    Device(RequesterId, DeviceError),
    /// Two threads of one core would run for different owners, who could watch one another.
    #[error(
        "its core {own} is a thread of the same physical core as core {other}, which is not \
         its own; give it both, or leave one unused"
    )]
    SharedCore { own: ApicId, other: ApicId },
    /// More partitions than the CPU can tell apart, or more cores than one can have.
    #[error("there are too many {0}")]
    TooMany(&'static str),
    /// Its ACPI tables could not be made.
    #[error("its ACPI tables: {0}")]
    Acpi(#[from] AcpiError),
    /// Its image cannot be started.
    #[error("its image: {0}")]
    Image(#[from] ImageError),
    /// Something does not fit its memory.
    #[error("its memory: {0}")]
    OutOfRange(#[from] OutOfRange),
}

impl From<OutOfFrames> for BuildError<'_> {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// Targets of an inter-processor interrupt are a set of 64 bits.
const MAXIMUM_CORES: usize = 64;

/// What all partitions are built from.
pub struct Resources<'a> {
    bundle: Bundle<'static>,
    /// The machine's IOMMUs.
    pub iommu: &'static Iommu,
    /// The machine's functions.
    pub inventory: &'a Inventory,
    /// The physical functions whose virtual functions are on.
    pub provision: Provision,
    /// Memory that no BAR may lie in: RAM, the chipset's own, and the BARs given away so far.
    taken: Vec<Range<HostPhysical>>,
    fit: &'a Fit,
    processor: Processor,
}

impl<'a> Resources<'a> {
    /// Nothing provisioned yet; no BAR may lie in the memory of `taken`.
    pub fn new(
        bundle: Bundle<'static>,
        iommu: &'static Iommu,
        inventory: &'a Inventory,
        taken: Vec<Range<HostPhysical>>,
        fit: &'a Fit,
    ) -> Self {
        let provision = Provision::default();
        Self {
            bundle,
            iommu,
            inventory,
            provision,
            taken,
            fit,
            processor: Processor::detect(cpuid),
        }
    }

    /// Gives `range` to the function one of whose BARs it is; whether nobody else has any of it.
    pub fn claim(&mut self, range: Range<HostPhysical>) -> bool {
        let free = !self.taken.iter().any(|taken| taken.overlaps(range));
        if free {
            self.taken.push(range);
        }
        free
    }

    /// Switches on the virtual functions of all partitions that fit.
    pub fn provision(&mut self, plan: &Plan) {
        self.provision = Provision::of(plan, self.fit, self.inventory, self.iommu);
    }

    /// The room for new images of partition `index`, to be taken once.
    fn room(&self, index: usize) -> Option<Room<'static>> {
        let range = self.fit.room(index)?;
        // SAFETY: `plan::fit` has found it in usable RAM that Bulkhead does not keep, beside
        // all partitions' memory and all other rooms; a partition is built once.
        Some(Room::new(unsafe { physical::bytes_mut(range) }))
    }
}

/// Builds partition `index` of the plan and takes its seats.
///
/// # Errors
/// Says what stands in the way; the partition then does not exist.
pub fn build<B: Backend>(
    index: usize,
    source: &'static plan::Partition,
    resources: &mut Resources<'_>,
    starts: &[&'static bring_up::Start<Seat<B>>],
) -> Result<Custody, BuildError<'static>> {
    let seats = seats(source, starts);
    let space = address_space(index);
    if u32::from(space) >= B::address_spaces() {
        return Err(BuildError::TooMany(
            "partitions for the CPU's address spaces",
        ));
    }
    if source.cores.len() > MAXIMUM_CORES {
        return Err(BuildError::TooMany("cores for one partition"));
    }
    // SAFETY: `plan::fit` has found these ranges in usable RAM that Bulkhead does not keep,
    // aligned, and disjoint from every other partition's; a partition is built once.
    let memory = unsafe { GuestRam::new(&source.memory) };
    let map = MemoryMap::new(memory.bytes())?;
    let mut table = map_ram::<B>(&memory)?;
    let domain = match source.functions.as_slice() {
        [] => Domain::EMPTY,
        _ => Domain::new(resources.iommu, index, memory.pieces())?,
    };
    let mut translation = Translation {
        cpu: table.leaves(),
        iommu: domain.leaves(),
    };
    let given = devices::assign(source, resources, &mut table, &memory, &map)?;
    translation.cpu.tables = table.leaves().tables;
    let room = resources.room(index);
    let pristine = Pristine::new(source, resources.bundle, map, &given.windows, room)?;
    memory.clear();
    let entry = pristine.load(&memory)?;
    let shared: &'static B::Shared = Box::leak(Box::new(B::share(table.root(), space)?));
    let parts = (memory, translation, map.ecam(), given, &*seats);
    let partition = assemble(source, resources, parts)?;
    domain.attach(resources.iommu, &partition.requesters)?;
    for (number, start) in seats.iter().enumerate() {
        let quick = Quick::new(partition, number).ok_or(OutOfFrames)?;
        let backend = Mutex::new(B::new(shared, quick)?);
        start.purpose.occupy(Occupant {
            partition,
            index: number,
            identity: identity(partition, start.core.id),
            backend,
        });
    }
    let guard = (domain, resources.iommu);
    Ok(Custody::new(partition, source, (pristine, entry), guard))
}

/// What CPUID tells of the virtual CPU on the core with this ID.
fn identity(partition: &'static Partition, apic_id: ApicId) -> GuestIdentity<'static> {
    GuestIdentity {
        processor: partition.processor,
        apic_id,
        own: &partition.core_ids,
        tsc_hz: Some(time::tsc_hertz()),
        partition_name: &partition.name,
        counts: partition,
    }
}

/// A second-stage table that maps `memory` and nothing else.
fn map_ram<B: Backend>(memory: &GuestRam) -> Result<PageTable<B::Tables>, BuildError<'static>> {
    let mut table = PageTable::new(&mut CoherentTables, B::largest_page()).ok_or(OutOfFrames)?;
    let ram = Access::READ | Access::WRITE | Access::EXECUTE;
    for (guest, host) in memory.pieces() {
        table.map(
            &mut CoherentTables,
            guest.start(),
            host,
            ram,
            MemoryKind::WriteBack,
        )?;
    }
    Ok(table)
}

/// The seats of the partition's cores, which `plan::fit` has found to be there.
fn seats<B: Backend>(
    source: &plan::Partition,
    starts: &[&'static bring_up::Start<Seat<B>>],
) -> Vec<&'static bring_up::Start<Seat<B>>> {
    let find = |id: &ApicId| starts.iter().copied().find(|start| start.core.id == *id);
    source.cores.iter().filter_map(find).collect()
}

/// The identifier that tags the partition's translations; 0 is root mode's.
fn address_space(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX).saturating_add(1)
}

type Parts<'a, B> = (
    GuestRam,
    Translation,
    Range<GuestPhysical>,
    devices::Given,
    &'a [&'static bring_up::Start<Seat<B>>],
);

fn assemble<B: Backend>(
    source: &plan::Partition,
    resources: &Resources<'_>,
    (memory, translation, ecam, given, seats): Parts<'_, B>,
) -> Result<&'static Partition, OutOfFrames> {
    let console = frames::place(history::Bytes::new()).ok_or(OutOfFrames)?;
    let cores: Box<[&'static Core]> = seats.iter().map(|start| start.core).collect();
    Ok(Box::leak(Box::new(Partition {
        name: String::from(source.name.as_str()),
        core_ids: cores.iter().map(|core| core.id).collect(),
        counters: cores.iter().map(|_| Default::default()).collect(),
        earlier: Default::default(),
        starts: AtomicU64::new(0),
        cores,
        memory,
        translation,
        ecam,
        requesters: given.functions.iter().map(|one| one.address).collect(),
        functions: given.functions.into_iter().map(Mutex::new).collect(),
        synthetic: given.synthetic.into_iter().map(Mutex::new).collect(),
        faults: AtomicU64::new(0),
        console,
        console_lost: AtomicU64::new(0),
        uart: Mutex::new(Uart::new()),
        io_apic: Mutex::new(IoApic::new()),
        config_address: source.config_ports.then(|| AtomicU32::new(0)),
        denied: AtomicU64::new(0),
        processor: resources.processor,
        tsc_origin: time::read_tsc(),
        life: life::Life::new(),
        entry: Mutex::new(None),
        housekeeping: local_apic::id(),
    })))
}
