//! Interrupt remapping (VT-d, chapter 5 "Interrupt Remapping" and section 9.9 "Interrupt
//! Remapping Table Entry (IRTE) for Remapped Interrupts").
//!
//! An entry is two words of 64 bits, the low one first in memory. As the unit may read between
//! two stores: clear the low word, write the high one, then the low one, which holds the
//! present bit; invalidate the interrupt entry cache after a present entry has changed.

use addr::{ApicId, HostPhysical, RequesterId};

/// The bytes of an entry.
pub const ENTRY_BYTES: u64 = 16;
/// The entries of a table, which is one page.
pub const ENTRIES: u16 = 256;

/// An interrupt-remapping entry.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterruptRemappingEntry(pub [u64; 2]);

impl InterruptRemappingEntry {
    /// Blocks the interrupt, and records a fault.
    pub const ABSENT: Self = Self([0; 2]);

    const PRESENT: u64 = 1 << 0;
    const VECTOR_SHIFT: u32 = 16;
    const DESTINATION_SHIFT: u32 = 32;
    /// SVT 01b in bits 83:82, with SQ 00b in bits 81:80: all 16 bits of the requester ID must
    /// be the entry's.
    const VERIFY_REQUESTER: u64 = 1 << 18;

    /// Delivers `vector` to the core `destination` when `requester`, and nobody else, raises
    /// the interrupt: delivery mode fixed, trigger mode edge, destination mode physical, no
    /// redirection hint. In extended interrupt mode, for the APIC ID has 32 bits.
    #[must_use]
    pub const fn fixed(vector: u8, destination: ApicId, requester: RequesterId) -> Self {
        let low = Self::PRESENT
            | (vector as u64) << Self::VECTOR_SHIFT
            | (destination.0 as u64) << Self::DESTINATION_SHIFT;
        Self([low, Self::VERIFY_REQUESTER | requester.0 as u64])
    }

    /// Whether the interrupt is delivered.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0[0] & Self::PRESENT != 0
    }
}

/// The message, address and data, by which a device names entry `index` (VT-d, section 5.1.2.2
/// "Interrupt Requests in Remappable Format"): interrupt format 1, no subhandle.
#[must_use]
pub const fn remappable_message(index: u16) -> (u64, u32) {
    const MESSAGE_WINDOW: u64 = 0xfee0_0000;
    const REMAPPABLE_FORMAT: u64 = 1 << 4;
    /// Handle bits 14:0 are address bits 19:5, handle bit 15 is address bit 2.
    const HANDLE_SHIFT: u32 = 5;
    const HANDLE_HIGH_SHIFT: u32 = 2;
    let handle = index as u64;
    let low = (handle & 0x7fff) << HANDLE_SHIFT;
    let high = (handle >> 15) << HANDLE_HIGH_SHIFT;
    (MESSAGE_WINDOW | REMAPPABLE_FORMAT | low | high, 0)
}

/// IRTA_REG for the table at `table`, a page of [`ENTRIES`], with x2APIC IDs of 32 bits.
#[must_use]
pub const fn table_address(table: HostPhysical) -> u64 {
    /// EIME.
    const EXTENDED_INTERRUPT_MODE: u64 = 1 << 11;
    /// S: the table has 2^(S+1) entries.
    const SIZE: u64 = 7;
    const { assert!(2 << SIZE == ENTRIES) };
    table.as_u64() & !0xfff | EXTENDED_INTERRUPT_MODE | SIZE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_names_vector_core_and_requester() {
        let requester = RequesterId::new(2, 0, 1).unwrap();
        let entry = InterruptRemappingEntry::fixed(0x41, ApicId(0x103), requester);
        assert_eq!(entry.0, [0x0000_0103_0041_0001, 0x0004_0201]);
        assert!(entry.is_present() && !InterruptRemappingEntry::ABSENT.is_present());
    }

    #[test]
    fn a_message_names_its_entry() {
        assert_eq!(remappable_message(0), (0xfee0_0010, 0));
        assert_eq!(remappable_message(1), (0xfee0_0030, 0));
        assert_eq!(remappable_message(0x8000), (0xfee0_0014, 0));
        assert_eq!(remappable_message(0xffff), (0xfeef_fff4, 0));
    }

    #[test]
    fn a_table_of_one_page_has_256_entries() {
        let address = table_address(HostPhysical::new(0x1234_5000));
        assert_eq!(address, 0x1234_5807);
        assert_eq!(u64::from(ENTRIES) * ENTRY_BYTES, 4096);
    }

    proptest! {
        #[test]
        fn no_two_entries_have_the_same_message(first: u16, second: u16) {
            let same = remappable_message(first) == remappable_message(second);
            prop_assert_eq!(same, first == second);
        }

        #[test]
        fn a_message_stays_in_the_message_window(index: u16) {
            let (address, data) = remappable_message(index);
            prop_assert_eq!(address >> 20, 0xfee);
            prop_assert_eq!(data, 0);
            prop_assert_eq!(address & 0b1011, 0, "subhandle or reserved bits");
        }
    }
}
