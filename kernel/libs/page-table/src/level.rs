//! The levels of a table.

use addr::PageSize;

/// A level of a page table, counted from the leaves. Each has 512 entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Entries of 4 KiB.
    One,
    /// Entries of 2 MiB.
    Two,
    /// Entries of 1 GiB.
    Three,
    /// Entries of 512 GiB, never leaves.
    Four,
}

impl Level {
    /// The entries of a table.
    pub const ENTRIES: usize = 512;

    /// The level that an entry of this one points to.
    #[must_use]
    pub const fn below(self) -> Option<Self> {
        match self {
            Self::One => None,
            Self::Two => Some(Self::One),
            Self::Three => Some(Self::Two),
            Self::Four => Some(Self::Three),
        }
    }

    /// The size of a leaf of this level, if it can have leaves.
    #[must_use]
    pub const fn page_size(self) -> Option<PageSize> {
        match self {
            Self::One => Some(PageSize::Size4KiB),
            Self::Two => Some(PageSize::Size2MiB),
            Self::Three => Some(PageSize::Size1GiB),
            Self::Four => None,
        }
    }

    /// The bytes that an entry covers.
    #[must_use]
    pub const fn entry_bytes(self) -> u64 {
        match self {
            Self::One => 1 << 12,
            Self::Two => 1 << 21,
            Self::Three => 1 << 30,
            Self::Four => 1 << 39,
        }
    }

    /// The entry of a table of this level that covers `address`.
    #[must_use]
    pub const fn index(self, address: u64) -> usize {
        let shift = self.entry_bytes().trailing_zeros();
        // 9 bits fit into every usize.
        ((address >> shift) & 0x1ff) as usize
    }

    /// The first address behind the entry of this level that covers `address`; `None` at the
    /// end of the 64-bit space.
    pub(crate) fn end_of_entry(self, address: u64) -> Option<u64> {
        (address | self.entry_bytes().wrapping_sub(1)).checked_add(1)
    }
}
