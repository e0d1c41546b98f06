//! Counting what a table is made of.

use addr::{HostPhysical, PageSize};

use crate::walk::{Slot, slot};
use crate::{Format, Level, TableMemory};

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
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        let small = self.size_4_kib.saturating_mul(PageSize::Size4KiB.bytes());
        small.saturating_add(self.large_bytes())
    }

    /// The bytes that are mapped by leaves of 2 MiB and 1 GiB.
    #[must_use]
    pub const fn large_bytes(&self) -> u64 {
        let middle = self.size_2_mib.saturating_mul(PageSize::Size2MiB.bytes());
        middle.saturating_add(self.size_1_gib.saturating_mul(PageSize::Size1GiB.bytes()))
    }

    fn add_leaf(&mut self, size: PageSize) {
        let count = match size {
            PageSize::Size4KiB => &mut self.size_4_kib,
            PageSize::Size2MiB => &mut self.size_2_mib,
            PageSize::Size1GiB => &mut self.size_1_gib,
        };
        *count = count.saturating_add(1);
    }

    /// Adds the table at `table` with all below it. The depth is at most four.
    pub(crate) fn add_table<F: Format>(
        &mut self,
        memory: &impl TableMemory,
        table: HostPhysical,
        level: Level,
    ) {
        self.tables = self.tables.saturating_add(1);
        for index in 0..Level::ENTRIES {
            match slot::<F>(memory.read(table, index), level) {
                Slot::Absent => {}
                Slot::Leaf(size) => self.add_leaf(size),
                Slot::Table { at, level } => self.add_table::<F>(memory, at, level),
            }
        }
    }
}
