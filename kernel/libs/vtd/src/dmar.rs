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
use addr::HostPhysical;
use byte_fields::{u8_at, u16_at, u64_at};
use thiserror::Error;

use scope::Scopes;
use structure::{Structure, Structures};

pub use scope::DeviceScope;

/// The offset of the first remapping structure.
const STRUCTURES: usize = 48;

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

    /// The units.
    pub fn hardware_units(&self) -> impl Iterator<Item = HardwareUnit> + use<'a> {
        self.structures()
            .filter_map(Result::ok)
            .filter_map(HardwareUnit::read)
    }

    /// The functions for which firmware wants memory of its own to stay reachable.
    pub fn reserved(&self) -> impl Iterator<Item = DeviceScope<'a>> + use<'a> {
        self.structures()
            .filter_map(Result::ok)
            .filter_map(reserved_scopes)
            .flatten()
    }

    fn structures(&self) -> Structures<'a> {
        Structures::new(self.table, STRUCTURES)
    }
}

/// Checks what the readers of a structure rely on.
fn check(structure: Structure<'_>) -> Result<(), DmarError> {
    let short = DmarError::Structure(structure.offset);
    match structure.kind {
        HardwareUnit::KIND => HardwareUnit::read(structure).map(drop).ok_or(short),
        RESERVED_MEMORY => {
            let scopes = reserved_scopes(structure).ok_or(short)?;
            let malformed = DmarError::Scope(structure.offset);
            scopes.are_whole().then_some(()).ok_or(malformed)
        }
        _ => Ok(()),
    }
}

/// A remapping unit (VT-d, section 8.3 "DMA Remapping Hardware Unit Definition Structure").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HardwareUnit {
    /// The PCI segment.
    pub segment: u16,
    /// Where its registers are.
    pub registers: HostPhysical,
}

impl HardwareUnit {
    const KIND: u16 = 0;
    const SEGMENT: usize = 6;
    const REGISTERS: usize = 8;

    fn read(structure: Structure<'_>) -> Option<Self> {
        if structure.kind != Self::KIND {
            return None;
        }
        Some(Self {
            segment: u16_at(structure.bytes, Self::SEGMENT)?,
            registers: HostPhysical::new(u64_at(structure.bytes, Self::REGISTERS)?),
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
