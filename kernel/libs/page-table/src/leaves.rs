//! Counting what a table is made of, as it is made: a walk of all of it would cost boot more
//! than the making.

use addr::PageSize;

/// What a table is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaves {
    /// Leaves of 4 KiB.
    pub size_4_kib: u64,
    /// Leaves of 2 MiB.
    pub size_2_mib: u64,
    /// Leaves of 1 GiB.
    pub size_1_gib: u64,
    /// Pages that tables take, the root and empty ones included.
    pub tables: u64,
}

impl Leaves {
    /// The bytes that are mapped.
    #[cfg(test)]
    pub const fn bytes(&self) -> u64 {
        let small = self.size_4_kib.saturating_mul(PageSize::Size4KiB.bytes());
        small.saturating_add(self.large_bytes())
    }

    /// The bytes of the table itself.
    #[must_use]
    pub const fn table_bytes(&self) -> u64 {
        self.tables.saturating_mul(PageSize::Size4KiB.bytes())
    }

    /// The bytes that are mapped by leaves of 2 MiB and 1 GiB.
    #[must_use]
    pub const fn large_bytes(&self) -> u64 {
        let middle = self.size_2_mib.saturating_mul(PageSize::Size2MiB.bytes());
        middle.saturating_add(self.size_1_gib.saturating_mul(PageSize::Size1GiB.bytes()))
    }

    /// How many leaves of `size` there are.
    const fn of(&mut self, size: PageSize) -> &mut u64 {
        match size {
            PageSize::Size4KiB => &mut self.size_4_kib,
            PageSize::Size2MiB => &mut self.size_2_mib,
            PageSize::Size1GiB => &mut self.size_1_gib,
        }
    }

    pub(crate) fn add(&mut self, size: PageSize) {
        let leaves = self.of(size);
        *leaves = leaves.saturating_add(1);
    }

    pub(crate) fn remove(&mut self, size: PageSize) {
        let leaves = self.of(size);
        *leaves = leaves.saturating_sub(1);
    }

    pub(crate) fn add_table(&mut self) {
        self.tables = self.tables.saturating_add(1);
    }
}
