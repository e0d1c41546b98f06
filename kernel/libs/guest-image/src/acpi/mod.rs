//! The ACPI tables of a partition: what firmware would have left behind.
//!
//! ACPI 6.5, chapter 5 "ACPI Software Programming Model". Hardware-reduced: no SCI, no fixed
//! event registers, no PM timer, no legacy devices. One PCI root with memory windows only,
//! one serial port that is polled, the sleep and reset registers, and a power button with the
//! one interrupt that says that it was pressed.
//!
//! The answer is one block of bytes for [`ACPI_TABLES`], the same for the same description.
//!
//! Not handled: `_OSC` (the guest keeps away from native hot plug and error reporting, which
//! it could not have), `_PRT` (there are no INTx interrupts), processor power and performance
//! states, proximity domains other than 0.

mod differentiated;
mod error;
mod fixed;
mod table;

pub use error::AcpiError;
pub(crate) use fixed::RESET_VALUE;
pub use fixed::port;

use alloc::vec::Vec;

use acpi_tables::Aml;
use acpi_tables::rsdp::Rsdp;
use addr::{Address, ApicId, GuestPhysical, Range};

use crate::MemoryMap;
use crate::layout::{ACPI_TABLES, ACPI_TABLES_END, between};
use crate::memory::byte_count;

/// What the tables tell of.
#[derive(Debug, Clone, Copy)]
pub struct Description<'a> {
    /// The partition's cores; the first is the boot core.
    pub cores: &'a [ApicId],
    /// The partition's RAM.
    pub map: &'a MemoryMap,
    /// Where its PCI functions' BARs lie.
    pub windows: &'a [Range<GuestPhysical>],
}

/// Generates the tables for `description`: bytes for [`ACPI_TABLES`], the first of which are
/// the root system description pointer's.
///
/// # Errors
/// [`AcpiError`] if the description contradicts itself or takes more room than there is.
pub fn tables(description: &Description<'_>) -> Result<Vec<u8>, AcpiError> {
    error::check(description)?;
    let mut block = Block::new();
    let differentiated = block.add(&differentiated::differentiated(description)?)?;
    let entries = [
        block.add(&fixed::fixed_description(differentiated))?,
        block.add(&fixed::interrupt_controllers(description.cores)?)?,
        block.add(&fixed::configuration_space(description.map))?,
        block.add(&fixed::affinity(description))?,
    ];
    let root = block.add(&fixed::extended_root(&entries))?;
    block.finish(root)
}

/// Tables one after the other, behind room for the root system description pointer.
struct Block {
    bytes: Vec<u8>,
}

/// What every table is aligned to; ACPI asks for nothing, and this is easy to read in a dump.
const ALIGNMENT: usize = 64;

impl Block {
    fn new() -> Self {
        let bytes = alloc::vec![0; ALIGNMENT];
        Self { bytes }
    }

    /// Appends a table; the answer is its address.
    fn add(&mut self, table: &[u8]) -> Result<GuestPhysical, AcpiError> {
        let at = ACPI_TABLES.checked_add(byte_count(&self.bytes));
        self.bytes.extend_from_slice(table);
        let bytes = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(bytes, 0);
        at.ok_or(AcpiError::NoRoom)
    }

    /// Writes the root system description pointer into the room kept for it.
    fn finish(mut self, root: GuestPhysical) -> Result<Vec<u8>, AcpiError> {
        let mut pointer = Vec::new();
        Rsdp::new(table::OEM_ID, root.as_u64()).to_aml_bytes(&mut pointer);
        let room = self.bytes.get_mut(..pointer.len());
        room.ok_or(AcpiError::NoRoom)?.copy_from_slice(&pointer);
        let available = between(ACPI_TABLES, ACPI_TABLES_END).map_or(0, Range::bytes);
        if byte_count(&self.bytes) > available {
            return Err(AcpiError::NoRoom);
        }
        Ok(self.bytes)
    }
}

#[cfg(test)]
mod tests;
