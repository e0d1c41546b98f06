//! The MSI-X capability (PCI Express Base Specification 5.0, section 7.7.2 "MSI-X
//! Capability and Table Structures").

use crate::ConfigSpace;
use crate::capability::{self, CapabilityId};

/// Message Control, 16 bits, from the capability's start.
pub const CONTROL: u16 = 0x02;
/// Table Offset and BIR, 32 bits, from the capability's start.
pub const TABLE: u16 = 0x04;
/// PBA Offset and BIR, 32 bits, from the capability's start.
pub const PENDING: u16 = 0x08;

/// Message Control: MSI-X is on.
pub const CONTROL_ENABLE: u16 = 1 << 15;
/// Message Control: all vectors are masked.
pub const CONTROL_FUNCTION_MASK: u16 = 1 << 14;
/// Message Control: the number of entries minus one.
pub const CONTROL_TABLE_SIZE: u16 = 0x7ff;
/// The bytes of a table entry.
pub const ENTRY_BYTES: u32 = 16;

/// Where something lies in a function's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of the BAR, 0 to 5 if the device is sane.
    pub bar: u8,
    /// The offset from that BAR's start, a multiple of 8.
    pub offset: u32,
}

impl Place {
    fn from_register(value: u32) -> Self {
        let [low, ..] = value.to_le_bytes();
        Self {
            bar: low & 0b111,
            offset: value & !0b111,
        }
    }
}

/// What the capability says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Msix {
    /// Where the capability starts.
    pub capability: u16,
    /// The number of table entries, 1 to 2,048.
    pub entries: u16,
    /// Where the table lies.
    pub table: Place,
    /// Where the pending bits lie.
    pub pending: Place,
}

impl Msix {
    /// The bytes that the table takes.
    #[must_use]
    pub fn table_bytes(&self) -> u32 {
        u32::from(self.entries).wrapping_mul(ENTRY_BYTES)
    }
}

/// Reads the capability; `None` if the function has none.
#[must_use]
pub fn read(config: &impl ConfigSpace) -> Option<Msix> {
    let start = capability::find(config, CapabilityId::MSIX)?;
    let control = config.read16(start.wrapping_add(CONTROL));
    Some(Msix {
        capability: start,
        entries: (control & CONTROL_TABLE_SIZE).wrapping_add(1),
        table: Place::from_register(config.read32(start.wrapping_add(TABLE))),
        pending: Place::from_register(config.read32(start.wrapping_add(PENDING))),
    })
}

/// Turns MSI-X on or off and all vectors' mask on or off.
pub fn set_control(config: &impl ConfigSpace, msix: &Msix, bits: u16) {
    let offset = msix.capability.wrapping_add(CONTROL);
    let writable = CONTROL_ENABLE | CONTROL_FUNCTION_MASK;
    config.write16(
        offset,
        (config.read16(offset) & !writable) | (bits & writable),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn table_and_pending_bits_are_found() {
        let config = fake::physical_function();
        let msix = read(&config).unwrap();
        assert_eq!(msix.entries, 17);
        assert_eq!(
            msix.table,
            Place {
                bar: 0,
                offset: 0x2000
            }
        );
        assert_eq!(
            msix.pending,
            Place {
                bar: 0,
                offset: 0x3000
            }
        );
        assert_eq!(msix.table_bytes(), 272);
    }

    #[test]
    fn control_changes_only_its_two_bits() {
        let config = fake::physical_function();
        let msix = read(&config).unwrap();
        set_control(&config, &msix, CONTROL_ENABLE | 0x7);
        assert_eq!(config.read16(0x42), CONTROL_ENABLE | 16);
    }
}
