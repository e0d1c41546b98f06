//! The firmware's description of the units (VT-d, chapter 8 "BIOS Considerations").
//!
//! Key types: [`Dmar`], whose lengths and checksum are checked once, in [`Dmar::parse`]; its
//! iterators then end, and find nothing malformed. Read are the structures of remapping
//! hardware (DRHD) and of reserved memory (RMRR); all others are passed over: ATS stays off,
//! and nothing else changes what a unit must do.

mod scope;
mod structure;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;

use core::ops::RangeInclusive;

use acpi::TableError;
use addr::{HostPhysical, Range, RequesterId};
use byte_fields::{u8_at, u16_at, u64_at};
use thiserror::Error;

use scope::{DeviceScope, Scopes};
use structure::{Structure, Structures};

/// The PCI segment whose functions are given away: a requester ID names no other.
pub const SEGMENT: u16 = 0;
/// The offset of the first remapping structure.
const STRUCTURES: usize = 48;
/// The offset of the PCI segment in a unit's structure and in one of reserved memory.
const SEGMENT_OFFSET: usize = 6;
const PAGE_BYTES: u64 = 4096;

/// Why a DMAR table is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DmarError {
    /// Signature, length or checksum.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The structure at this offset is cut short, or too long for the table.
    #[error("the structure at {0} has a wrong length")]
    Structure(usize),
    /// A device scope in the structure at this offset is.
    #[error("the structure at {0} has a malformed device scope")]
    Scope(usize),
    /// The registers of the unit in the structure at this offset wrap around.
    #[error("the unit at {0} has no possible registers")]
    Registers(usize),
}

/// A DMAR table (VT-d, section 8.1 "DMA Remapping Reporting Structure").
#[derive(Debug, Clone, Copy)]
pub struct Dmar<'a> {
    table: &'a [u8],
}

impl<'a> Dmar<'a> {
    const FLAGS: usize = 37;
    const INTERRUPT_REMAPPING: u8 = 1 << 0;

    /// Checks the table at the start of `bytes`, with all its structures.
    ///
    /// # Errors
    /// See [`DmarError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DmarError> {
        let table = acpi::table(bytes, b"DMAR")?;
        if table.len() < STRUCTURES {
            return Err(TableError::Truncated.into());
        }
        let dmar = Self { table };
        dmar.structures()
            .try_for_each(|structure| check(structure?))?;
        Ok(dmar)
    }

    /// INTR_REMAP: the platform supports interrupt remapping.
    #[must_use]
    pub fn supports_interrupt_remapping(&self) -> bool {
        u8_at(self.table, Self::FLAGS).is_some_and(|flags| flags & Self::INTERRUPT_REMAPPING != 0)
    }

    /// The units, of all segments.
    pub fn hardware_units(&self) -> impl Iterator<Item = HardwareUnit<'a>> + use<'a> {
        self.structures()
            .filter_map(Result::ok)
            .filter_map(HardwareUnit::read)
    }

    /// Whether a unit is responsible for the function at `address` of [`SEGMENT`]. `behind` tells
    /// the buses behind the bridge at an address.
    pub fn covers(
        &self,
        address: RequesterId,
        behind: &impl Fn(RequesterId) -> Option<RangeInclusive<u8>>,
    ) -> bool {
        let mut units = self.hardware_units().filter(|unit| unit.segment == SEGMENT);
        let named = |scope: DeviceScope<'_>| scope.names(address, behind) == Some(true);
        units.any(|mut unit| unit.includes_all || unit.scopes.any(named))
    }

    /// Whether firmware may want memory to stay reachable for the function at `address` of
    /// [`SEGMENT`]. A path that cannot be followed may lead to any bus but its first one.
    pub fn reserves_memory_for(
        &self,
        address: RequesterId,
        behind: &impl Fn(RequesterId) -> Option<RangeInclusive<u8>>,
    ) -> bool {
        let structures = self.structures().filter_map(Result::ok);
        let mut scopes = structures
            .filter(|structure| u16_at(structure.bytes, SEGMENT_OFFSET) == Some(SEGMENT))
            .filter_map(reserved_scopes)
            .flatten();
        scopes.any(|scope| {
            let names = scope.names(address, behind);
            names.unwrap_or(address.bus() != scope.start_bus)
        })
    }

    fn structures(&self) -> Structures<'a> {
        Structures::new(self.table, STRUCTURES)
    }
}

/// Checks what the readers of a structure rely on.
fn check(structure: Structure<'_>) -> Result<(), DmarError> {
    let short = DmarError::Structure(structure.offset);
    let scopes = match structure.kind {
        HardwareUnit::KIND => {
            structure.bytes.get(..HardwareUnit::SCOPES).ok_or(short)?;
            let wrong = DmarError::Registers(structure.offset);
            HardwareUnit::read(structure).ok_or(wrong)?.scopes
        }
        RESERVED_MEMORY => reserved_scopes(structure).ok_or(short)?,
        _ => return Ok(()),
    };
    let malformed = DmarError::Scope(structure.offset);
    scopes.are_whole().then_some(()).ok_or(malformed)
}

/// A remapping unit (VT-d, section 8.3 "DMA Remapping Hardware Unit Definition Structure").
#[derive(Debug, Clone, Copy)]
pub struct HardwareUnit<'a> {
    /// The PCI segment.
    pub segment: u16,
    /// Its registers, one page or more.
    pub registers: Range<HostPhysical>,
    /// Whether it is responsible for all functions of the segment that no other unit names.
    includes_all: bool,
    scopes: Scopes<'a>,
}

impl<'a> HardwareUnit<'a> {
    const KIND: u16 = 0;
    const FLAGS: usize = 4;
    /// Bits 3:0 are the logarithm of the number of register pages; 0 in older tables.
    const SIZE: usize = 5;
    const REGISTERS: usize = 8;
    const SCOPES: usize = 16;
    const INCLUDE_PCI_ALL: u8 = 1 << 0;

    fn read(structure: Structure<'a>) -> Option<Self> {
        if structure.kind != Self::KIND {
            return None;
        }
        let bytes = structure.bytes;
        let base = HostPhysical::new(u64_at(bytes, Self::REGISTERS)?);
        let register_bytes = PAGE_BYTES << (u8_at(bytes, Self::SIZE)? & 0xf);
        Some(Self {
            segment: u16_at(bytes, SEGMENT_OFFSET)?,
            registers: Range::new(base, register_bytes)?,
            includes_all: u8_at(bytes, Self::FLAGS)? & Self::INCLUDE_PCI_ALL != 0,
            scopes: Scopes::new(bytes.get(Self::SCOPES..)?),
        })
    }
}

/// Memory that firmware wants to stay reachable for some functions (VT-d, section 8.4
/// "Reserved Memory Region Reporting Structure").
const RESERVED_MEMORY: u16 = 1;

/// The functions of such a structure.
fn reserved_scopes(structure: Structure<'_>) -> Option<Scopes<'_>> {
    const SCOPES: usize = 24;
    let scopes = structure.bytes.get(SCOPES..)?;
    (structure.kind == RESERVED_MEMORY).then_some(Scopes::new(scopes))
}
