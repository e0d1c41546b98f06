//! The walk from a root to the entry that decides about an address.

use addr::{HostPhysical, PageSize};

use crate::{Format, Level, TableMemory};

/// The entry at which a walk ends: not present, or a leaf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub table: HostPhysical,
    pub level: Level,
    pub index: usize,
    pub entry: u64,
    /// The leaf's size; `None` if the entry is not present.
    pub leaf: Option<PageSize>,
}

/// What an entry of a table says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Absent,
    Leaf(PageSize),
    Table { at: HostPhysical, level: Level },
}

/// Tells what `entry` of a table of `level` is.
pub(crate) fn slot<F: Format>(entry: u64, level: Level) -> Slot {
    if !F::is_present(entry) {
        return Slot::Absent;
    }
    if let Some(size) = level.page_size().filter(|size| F::is_leaf(entry, *size)) {
        return Slot::Leaf(size);
    }
    match level.below() {
        Some(level) => Slot::Table {
            at: F::address(entry),
            level,
        },
        // Entries of level 1 are leaves in every format.
        None => Slot::Leaf(PageSize::Size4KiB),
    }
}

/// Walks from `root` to the entry that decides about `address`: at most four reads.
pub(crate) fn find<F: Format>(
    memory: &impl TableMemory,
    root: HostPhysical,
    address: u64,
) -> Found {
    let (mut table, mut level) = (root, F::ROOT);
    loop {
        let index = level.index(address);
        let entry = memory.read(table, index);
        let leaf = match slot::<F>(entry, level) {
            Slot::Absent => None,
            Slot::Leaf(size) => Some(size),
            Slot::Table { at, level: below } => {
                (table, level) = (at, below);
                continue;
            }
        };
        return Found {
            table,
            level,
            index,
            entry,
            leaf,
        };
    }
}
