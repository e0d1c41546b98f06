//! What differs between formats: the bits of an entry.

mod extended;
mod host;
mod nested;
mod second_stage;

use addr::{HostPhysical, PageSize};

use crate::{Access, Level, MemoryKind};

pub use extended::Extended;
pub use host::Host;
pub use nested::Nested;
pub use second_stage::SecondStage;

/// Bits 51:12, in which all formats keep addresses.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Page size: bit 7, in all formats, makes an entry of level 2 or 3 a leaf.
const PAGE_SIZE: u64 = 1 << 7;

/// The bits of a format's entries.
pub trait Format {
    /// The level of the root.
    const ROOT: Level;

    /// How many bits an input address has.
    const ADDRESS_BITS: u32;

    /// An entry that points to the table at `table` and restricts nothing.
    fn table_entry(table: HostPhysical) -> u64;

    /// An entry that maps `page`; `None` if the format cannot allow `access` without allowing
    /// more, or cannot express it at all.
    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        kind: MemoryKind,
    ) -> Option<u64>;

    /// Whether the entry points to a table or to a page.
    fn is_present(entry: u64) -> bool;

    /// Whether a present entry of the level whose leaves are of `size` is a leaf.
    fn is_leaf(entry: u64, size: PageSize) -> bool {
        size == PageSize::Size4KiB || entry & PAGE_SIZE != 0
    }

    /// What a present entry points to.
    fn address(entry: u64) -> HostPhysical {
        HostPhysical::new(entry & ADDRESS)
    }

    /// What a leaf allows.
    fn access(entry: u64) -> Access;

    /// How accesses through a leaf are cached.
    fn kind(entry: u64) -> MemoryKind;
}

/// The address and size bits of a leaf.
fn leaf_place(size: PageSize, page: HostPhysical) -> u64 {
    let address = page.as_u64() & ADDRESS;
    match size {
        PageSize::Size4KiB => address,
        PageSize::Size2MiB | PageSize::Size1GiB => address | PAGE_SIZE,
    }
}

/// `bits` if `condition`, else none.
const fn bits_if(condition: bool, bits: u64) -> u64 {
    if condition { bits } else { 0 }
}
