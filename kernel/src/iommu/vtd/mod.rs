//! Intel VT-d: every unit of the machine, driven as one.
//!
//! All units of PCI segment 0 share one root table and one interrupt-remapping table: a function
//! is under exactly one unit, which finds there what the function may do. From
//! [`Vtd::block_all`] on the root table is empty, translation is on, and interrupts pass only in
//! remappable format (VT-d, D51397, revision 5.10, chapters 3, 5, 6 and 7). Units of other
//! segments are blocked for good.
//!
//! Waits are for hardware only and bounded. Locks are taken at set-up and by the
//! housekeeping core, never on an exit that repeats.

mod contexts;
mod domain;
mod queue;
mod remapping;
mod unit;

extern crate alloc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use addr::{HostPhysical, Range, RequesterId};
use spin::Mutex;
use vdev::message::Interrupt;
use vtd::dmar::{self, Dmar};
use vtd::{ContextEntry, Descriptor, DomainId, FaultRecord, InterruptRemappingEntry};

use super::{InterruptBlock, IommuError};
use contexts::Contexts;
use domain::Abilities;
use remapping::Remapping;
use unit::Unit;

pub use domain::{Domain, Piece};

/// The domain of a steward's queue. Stewards work one after another.
pub const STEWARD_DOMAIN: u16 = 1;
/// The domain of the first partition; the others follow.
pub const FIRST_PARTITION_DOMAIN: u16 = 2;

/// All units.
pub struct Vtd {
    /// Those of segment 0.
    units: Vec<Unit>,
    contexts: Mutex<Contexts>,
    remapping: Mutex<Remapping>,
    /// Whether a unit may know that an interrupt-remapping entry is absent.
    knows_absent_entries: bool,
    abilities: Abilities,
    dmar: Dmar<'static>,
}

impl Vtd {
    /// Takes possession of all units that `dmar` describes and blocks everything.
    ///
    /// # Errors
    /// The table is damaged, or a unit lacks something or does not answer.
    pub fn block_all(dmar: &'static [u8]) -> Result<Self, IommuError> {
        let dmar = Dmar::parse(dmar).map_err(IommuError::Table)?;
        if !dmar.supports_interrupt_remapping() {
            return Err(IommuError::Missing(
                "interrupt remapping (DMAR flag INTR_REMAP)",
            ));
        }
        let contexts = Contexts::new()?;
        let remapping = Remapping::new()?;
        let mut units = Vec::new();
        for described in dmar.hardware_units() {
            let unit = Unit::take(described.registers)?;
            if described.segment == dmar::SEGMENT {
                unit.block(contexts.root(), remapping.table())?;
                unit.report_faults();
                units.push(unit);
            } else {
                block_for_good(&unit)?;
            }
        }
        if units.is_empty() {
            return Err(IommuError::Missing("remapping unit for PCI segment 0"));
        }
        Ok(Self {
            abilities: Abilities::of(&units),
            contexts: Mutex::new(contexts),
            remapping: Mutex::new(remapping),
            knows_absent_entries: units.iter().any(Unit::knows_absent_entries),
            units,
            dmar,
        })
    }

    /// Whether a unit is responsible for the function at `address`, and firmware keeps no memory
    /// reachable for it. `behind` tells the buses behind a bridge.
    ///
    /// # Errors
    /// None is, or it does.
    pub fn check(
        &self,
        address: RequesterId,
        behind: &impl Fn(RequesterId) -> Option<RangeInclusive<u8>>,
    ) -> Result<(), IommuError> {
        if self.dmar.reserves_memory_for(address, behind) {
            return Err(IommuError::ReservedMemory(address));
        }
        if !self.dmar.covers(address, behind) {
            return Err(IommuError::Uncovered);
        }
        Ok(())
    }

    /// Where the registers of all units are, whatever their segment.
    pub fn registers(&self) -> impl Iterator<Item = Range<HostPhysical>> + use<> {
        self.dmar.hardware_units().map(|unit| unit.registers)
    }

    /// Builds domain `number`, which reaches `memory` at the guest's addresses.
    pub fn new_domain(
        &self,
        number: u16,
        memory: impl Iterator<Item = Piece> + Clone,
    ) -> Result<Domain, IommuError> {
        if self
            .units
            .iter()
            .any(|unit| u32::from(number) >= unit.domains())
        {
            return Err(IommuError::Missing("domain left"));
        }
        Domain::new(DomainId(number), self.abilities, memory)
    }

    /// Lets the function at `address` reach `domain`, and nothing else.
    ///
    /// # Errors
    /// Its requester ID is somebody's, no memory is left for a table, or a unit does not answer.
    pub fn attach(&self, address: RequesterId, domain: &Domain) -> Result<(), IommuError> {
        self.contexts.lock().set(address, domain.entry())?;
        self.forget(domain.id)
    }

    /// Blocks the function at `address`.
    ///
    /// # Errors
    /// A unit does not answer: it may still know what the function reached.
    pub fn detach(&self, address: RequesterId) -> Result<(), IommuError> {
        self.contexts.lock().set(address, ContextEntry::ABSENT)?;
        self.invalidate(&Descriptor::FORGET_ALL)
    }

    /// Blocks the functions of `domain`. Other domains keep what the units have cached, but for
    /// those in caching mode.
    ///
    /// # Errors
    /// A unit does not answer: it may still know what the functions reached.
    pub fn detach_all(&self, functions: &[RequesterId], domain: &Domain) -> Result<(), IommuError> {
        let mut contexts = self.contexts.lock();
        for address in functions {
            contexts.set(*address, ContextEntry::ABSENT)?;
        }
        drop(contexts);
        self.forget(domain.id)
    }

    /// Lets the units forget what they have cached of a domain.
    fn forget(&self, domain: DomainId) -> Result<(), IommuError> {
        let mut units = self.units.iter();
        units.try_for_each(|unit| unit.forget(domain))
    }

    fn invalidate(&self, descriptors: &[Descriptor]) -> Result<(), IommuError> {
        self.units
            .iter()
            .try_for_each(|unit| unit.invalidate(descriptors))
    }

    /// Takes `count` consecutive interrupt-remapping entries.
    pub fn allocate_interrupts(&self, count: u16) -> Result<InterruptBlock, IommuError> {
        self.remapping.lock().allocate(count)
    }

    /// Lets `requester` raise `interrupt` by entry `index`.
    pub fn set_interrupt(
        &self,
        index: u16,
        requester: RequesterId,
        interrupt: Interrupt,
    ) -> Result<(), IommuError> {
        let Interrupt {
            vector,
            destination,
        } = interrupt;
        let entry = InterruptRemappingEntry::fixed(vector, destination, requester);
        let was_present = self.remapping.lock().set(index, entry)?;
        if was_present || self.knows_absent_entries {
            self.forget_interrupt(index)?;
        }
        Ok(())
    }

    /// Blocks the interrupt of entry `index`. The units are told in any case: what was there
    /// before may be something that they did not forget in time.
    pub fn clear_interrupt(&self, index: u16) -> Result<(), IommuError> {
        let absent = InterruptRemappingEntry::ABSENT;
        self.remapping.lock().set(index, absent)?;
        self.forget_interrupt(index)
    }

    fn forget_interrupt(&self, index: u16) -> Result<(), IommuError> {
        self.invalidate(&[Descriptor::interrupt_entry_cache_index(index)])
    }

    /// Hands every recorded fault to `report`.
    pub fn take_faults(&self, mut report: impl FnMut(&FaultRecord)) {
        for unit in &self.units {
            unit.take_faults(&mut report);
        }
    }
}

/// Blocks a unit of another segment. Its tables are its own and stay empty: a requester ID says
/// nothing of segments, so in the shared ones a function would have what its namesake has.
fn block_for_good(unit: &Unit) -> Result<(), IommuError> {
    // A page of zeros is an empty root table as well.
    let empty = Remapping::new()?.table();
    unit.block(empty, empty)
}
