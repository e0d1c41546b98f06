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

use acpi::TableError;
use addr::{HostPhysical, Range};
use byte_fields::{u8_at, u16_at, u64_at};
use thiserror::Error;

use structure::{Structure, Structures};

pub use scope::{DeviceScope, ScopeKind, Scopes};

/// The offset of the first remapping structure.
const STRUCTURES: usize = 48;
/// The widest host address that any processor has.
const MAXIMUM_ADDRESS_BITS: u8 = 64;

/// Why a DMAR table is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DmarError {
    /// Signature, length or checksum.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The host address width is impossible.
    #[error("a host address width of {0} bits is impossible")]
    AddressWidth(u8),
    /// The structure at this offset is cut short, or too long for the table.
    #[error("the structure at {0} has a wrong length")]
    Structure(usize),
    /// A device scope in the structure at this offset is.
    #[error("the structure at {0} has a malformed device scope")]
    Scope(usize),
    /// The reserved memory of the structure at this offset is empty or ends before it begins.
    #[error("the reserved memory at {0} is not a range")]
    ReservedMemory(usize),
}

/// A DMAR table (VT-d, section 8.1 "DMA Remapping Reporting Structure").
#[derive(Debug, Clone, Copy)]
pub struct Dmar<'a> {
    table: &'a [u8],
    address_bits: u8,
}

impl<'a> Dmar<'a> {
    const ADDRESS_WIDTH: usize = 36;
    const FLAGS: usize = 37;
    const INTERRUPT_REMAPPING: u8 = 1 << 0;
    const X2APIC_OPT_OUT: u8 = 1 << 1;

    /// Checks the table at the start of `bytes`, with all its structures.
    ///
    /// # Errors
    /// See [`DmarError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DmarError> {
        let table = acpi::table(bytes, b"DMAR")?;
        let width = u8_at(table, Self::ADDRESS_WIDTH).ok_or(TableError::Truncated)?;
        let address_bits = width
            .checked_add(1)
            .filter(|bits| *bits <= MAXIMUM_ADDRESS_BITS)
            .ok_or(DmarError::AddressWidth(width))?;
        if table.len() < STRUCTURES {
            return Err(TableError::Truncated.into());
        }
        let dmar = Self {
            table,
            address_bits,
        };
        dmar.structures()
            .try_for_each(|structure| check(structure?))?;
        Ok(dmar)
    }

    /// The width of the host addresses that DMA can reach.
    #[must_use]
    pub const fn host_address_bits(&self) -> u8 {
        self.address_bits
    }

    /// INTR_REMAP: the platform supports interrupt remapping.
    #[must_use]
    pub fn supports_interrupt_remapping(&self) -> bool {
        self.flags() & Self::INTERRUPT_REMAPPING != 0
    }

    /// X2APIC_OPT_OUT: the firmware asks that x2APIC mode stay off.
    #[must_use]
    pub fn opts_out_of_x2apic(&self) -> bool {
        self.flags() & Self::X2APIC_OPT_OUT != 0
    }

    /// The units.
    pub fn hardware_units(&self) -> impl Iterator<Item = HardwareUnit<'a>> + use<'a> {
        self.structures()
            .filter_map(Result::ok)
            .filter_map(HardwareUnit::read)
    }

    /// The memory that firmware wants to stay reachable for some functions.
    pub fn reserved_memory(&self) -> impl Iterator<Item = ReservedMemory<'a>> + use<'a> {
        self.structures()
            .filter_map(Result::ok)
            .filter_map(ReservedMemory::read)
    }

    fn flags(&self) -> u8 {
        u8_at(self.table, Self::FLAGS).unwrap_or(0)
    }

    fn structures(&self) -> Structures<'a> {
        Structures::new(self.table, STRUCTURES)
    }
}

/// Checks what the readers of a structure rely on.
fn check(structure: Structure<'_>) -> Result<(), DmarError> {
    let short = DmarError::Structure(structure.offset);
    let scopes = match structure.kind {
        HardwareUnit::KIND => HardwareUnit::read(structure).ok_or(short)?.scopes,
        ReservedMemory::KIND => {
            structure.bytes.get(..ReservedMemory::SCOPES).ok_or(short)?;
            let wrong = DmarError::ReservedMemory(structure.offset);
            ReservedMemory::read(structure).ok_or(wrong)?.scopes
        }
        _ => return Ok(()),
    };
    scopes
        .are_whole()
        .then_some(())
        .ok_or(DmarError::Scope(structure.offset))
}

/// A remapping unit (VT-d, section 8.3 "DMA Remapping Hardware Unit Definition Structure").
#[derive(Debug, Clone, Copy)]
pub struct HardwareUnit<'a> {
    /// The PCI segment.
    pub segment: u16,
    /// Where its registers are.
    pub registers: HostPhysical,
    /// Whether it is responsible for all functions of the segment that no other unit names.
    pub includes_all: bool,
    /// What else it is responsible for.
    pub scopes: Scopes<'a>,
}

impl<'a> HardwareUnit<'a> {
    const KIND: u16 = 0;
    const FLAGS: usize = 4;
    const SEGMENT: usize = 6;
    const REGISTERS: usize = 8;
    const SCOPES: usize = 16;
    const INCLUDE_PCI_ALL: u8 = 1 << 0;

    fn read(structure: Structure<'a>) -> Option<Self> {
        if structure.kind != Self::KIND {
            return None;
        }
        let bytes = structure.bytes;
        Some(Self {
            segment: u16_at(bytes, Self::SEGMENT)?,
            registers: HostPhysical::new(u64_at(bytes, Self::REGISTERS)?),
            includes_all: u8_at(bytes, Self::FLAGS)? & Self::INCLUDE_PCI_ALL != 0,
            scopes: Scopes::new(bytes.get(Self::SCOPES..)?),
        })
    }
}

/// Memory that firmware wants to stay reachable for some functions (VT-d, section 8.4
/// "Reserved Memory Region Reporting Structure").
#[derive(Debug, Clone, Copy)]
pub struct ReservedMemory<'a> {
    /// The PCI segment.
    pub segment: u16,
    /// The memory.
    pub memory: Range<HostPhysical>,
    /// The functions.
    pub scopes: Scopes<'a>,
}

impl<'a> ReservedMemory<'a> {
    const KIND: u16 = 1;
    const SEGMENT: usize = 6;
    const BASE: usize = 8;
    const LIMIT: usize = 16;
    const SCOPES: usize = 24;

    fn read(structure: Structure<'a>) -> Option<Self> {
        if structure.kind != Self::KIND {
            return None;
        }
        let bytes = structure.bytes;
        let base = u64_at(bytes, Self::BASE)?;
        // The limit is the last byte's address.
        let length = u64_at(bytes, Self::LIMIT)?
            .checked_sub(base)?
            .checked_add(1)?;
        Some(Self {
            segment: u16_at(bytes, Self::SEGMENT)?,
            memory: Range::new(HostPhysical::new(base), length)?,
            scopes: Scopes::new(bytes.get(Self::SCOPES..)?),
        })
    }
}
