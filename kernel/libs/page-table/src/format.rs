//! What differs between the formats of tables: the bits of their entries, as constants.

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

/// Bits 51:12, in which all formats keep the address of a table or page.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Page size: bit 7, in all formats, makes an entry of level 2 or 3 a leaf.
const PAGE_SIZE: u64 = 1 << 7;

/// A property that a leaf can have, and the bits of a leaf that has it.
#[derive(Debug, Clone, Copy)]
pub struct Bits<T> {
    property: T,
    bits: u64,
    /// What of these bits is set with the property: all of them, or none.
    with: u64,
}

impl<T> Bits<T> {
    /// `property` sets `bits`.
    const fn set(property: T, bits: u64) -> Self {
        Self {
            property,
            bits,
            with: bits,
        }
    }

    /// Only without `property` are `bits` set.
    const fn cleared(property: T, bits: u64) -> Self {
        Self {
            property,
            bits,
            with: 0,
        }
    }

    const fn of(&self, has_property: bool) -> u64 {
        if has_property {
            self.with
        } else {
            self.bits & !self.with
        }
    }

    /// Whether `entry` has the property; never if it has no bits.
    const fn are_in(&self, entry: u64) -> bool {
        self.bits != 0 && entry & self.bits == self.with
    }
}

/// The bits of a format's entries.
pub trait Format {
    /// The level of the root.
    const ROOT: Level;
    /// How many bits an input address has.
    const ADDRESS_BITS: u32;
    /// The bits of an entry that points to a table and restricts nothing.
    const TABLE: u64;
    /// The bits that all leaves have.
    const LEAF: u64;
    /// An entry without any of these bits points to nothing.
    const PRESENT: u64;
    /// The accesses of which a leaf allows one at least: the format cannot express less.
    const LEAST: Access;
    /// The accesses that the format tells apart.
    const ACCESSES: &'static [Bits<Access>];
    /// What makes a leaf uncached; nothing where all requests are the same.
    const UNCACHED: Bits<MemoryKind>;

    /// An entry that points to the table at `table` and restricts nothing.
    fn table_entry(table: HostPhysical) -> u64 {
        table.as_u64() | Self::TABLE
    }

    /// An entry that maps `page`; `None` if the format cannot allow `access` without allowing
    /// more, or cannot express it at all.
    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        kind: MemoryKind,
    ) -> Option<u64> {
        let place = page.as_u64() & ADDRESS;
        let size = match size {
            PageSize::Size4KiB => 0,
            PageSize::Size2MiB | PageSize::Size1GiB => PAGE_SIZE,
        };
        let rights = Self::ACCESSES.iter().fold(0, |rights, bits| {
            rights | bits.of(access.contains(bits.property))
        });
        let kind = Self::UNCACHED.of(kind == Self::UNCACHED.property);
        let entry = place | size | Self::LEAF | rights | kind;
        access.intersects(Self::LEAST).then_some(entry)
    }

    /// Whether the entry points to a table or to a page.
    fn is_present(entry: u64) -> bool {
        entry & Self::PRESENT != 0
    }

    /// Whether a present entry of the level whose leaves are of `size` is a leaf.
    fn is_leaf(entry: u64, size: PageSize) -> bool {
        size == PageSize::Size4KiB || entry & PAGE_SIZE != 0
    }

    /// What a present entry points to.
    fn address(entry: u64) -> HostPhysical {
        HostPhysical::new(entry & ADDRESS)
    }

    /// What a leaf allows.
    fn access(entry: u64) -> Access {
        let allowed = Self::ACCESSES.iter().filter(|bits| bits.are_in(entry));
        allowed.map(|bits| bits.property).collect()
    }

    /// How accesses through a leaf are cached.
    fn kind(entry: u64) -> MemoryKind {
        if Self::UNCACHED.are_in(entry) {
            MemoryKind::Uncached
        } else {
            MemoryKind::WriteBack
        }
    }
}
