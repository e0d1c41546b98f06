//! DMA remapping in legacy mode (VT-d, section 9.1 "Root Entry" and section 9.3 "Context Entry").
//!
//! An entry is two words of 64 bits, the low one first in memory. A unit may read between two
//! stores: write the high word first and the low one, which holds the present bit, last; to
//! take an entry away, clear the low word first.

use addr::HostPhysical;

/// P: the entry counts.
const PRESENT: u64 = 1 << 0;
/// Bits 63:12, in which entries and registers keep the addresses of tables.
const ADDRESS: u64 = !0xfff;

/// RTADDR_REG for the root table at `table`: translation table mode 00b, legacy.
#[must_use]
pub const fn root_table_address(table: HostPhysical) -> u64 {
    table.as_u64() & ADDRESS
}

/// An entry of the root table: the context table of a bus.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootEntry(pub [u64; 2]);

impl RootEntry {
    /// Points to the context table at `table`.
    #[must_use]
    pub const fn new(table: HostPhysical) -> Self {
        Self([table.as_u64() & ADDRESS | PRESENT, 0])
    }
}

/// A domain identifier: tags what the unit caches. 0 is reserved in caching mode, and so is
/// never used.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainId(pub u16);

/// AW of a context entry: how many levels the second-stage table has.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressWidth(u64);

impl AddressWidth {
    /// 3 levels.
    pub const BITS_39: Self = Self(1);
    /// 4 levels.
    pub const BITS_48: Self = Self(2);
}

/// An entry of a context table: what one function's requests go through.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContextEntry(pub [u64; 2]);

impl ContextEntry {
    /// Blocks the function.
    pub const ABSENT: Self = Self([0; 2]);

    /// Where DID begins in the high word.
    const DOMAIN_SHIFT: u32 = 8;

    /// Untranslated requests go through the second-stage table at `table`; translated and
    /// translation requests are blocked (TT 00b). Faults are recorded.
    #[must_use]
    pub const fn second_stage(table: HostPhysical, width: AddressWidth, domain: DomainId) -> Self {
        let low = table.as_u64() & ADDRESS | PRESENT;
        Self([low, ((domain.0 as u64) << Self::DOMAIN_SHIFT) | width.0])
    }

    /// Whether the function reaches anything.
    #[must_use]
    pub const fn is_present(self) -> bool {
        self.0[0] & PRESENT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: HostPhysical = HostPhysical::new(0x1_2345_6000);

    #[test]
    fn a_root_entry_points_to_a_context_table() {
        assert_eq!(RootEntry::new(TABLE).0, [0x1_2345_6001, 0]);
        assert_eq!(root_table_address(TABLE), 0x1_2345_6000);
    }

    #[test]
    fn a_context_entry_names_table_width_and_domain() {
        let entry = ContextEntry::second_stage(TABLE, AddressWidth::BITS_48, DomainId(0x102));
        assert_eq!(entry.0, [0x1_2345_6001, 0x1_0202]);
        let narrow = ContextEntry::second_stage(TABLE, AddressWidth::BITS_39, DomainId(1));
        assert_eq!(narrow.0, [0x1_2345_6001, 0x101]);
        assert!(entry.is_present() && !ContextEntry::ABSENT.is_present());
    }

    #[test]
    fn stray_low_bits_of_an_address_change_no_field() {
        let stray = HostPhysical::new(TABLE.as_u64() | 0xfff);
        assert_eq!(RootEntry::new(stray), RootEntry::new(TABLE));
    }
}
