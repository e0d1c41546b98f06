//! Where things lie in a partition's guest-physical address space.
//!
//! | from | what |
//! |---|---|
//! | `0` | RAM; page 0 stays empty because PVH takes address 0 for "absent" |
//! | [`GDT`] … [`BOOT_STRUCTURES_END`] | boot structures, dead once the guest's kernel has read them |
//! | `0xa_0000` | RAM reported as reserved, with the ACPI tables from [`ACPI_TABLES`] on |
//! | `0x10_0000` | RAM up to the partition's size or [`LOW_RAM_LIMIT`] |
//! | the end of that | the configuration space of the partition's one PCI bus ([`MemoryMap::ecam`]) |
//! | right behind | BARs ([`MemoryMap::low_window`]) |
//! | [`IO_APIC`], [`LOCAL_APIC`] | what no second-stage table maps |
//! | [`HIGH_RAM`] | the rest of the RAM |
//! | the end of that | BARs that find no room below ([`MemoryMap::high_window`]) |
//!
//! What is made of pages of 4 KiB so follows RAM in the same gigabyte, and takes no tables but one of level 1.

use addr::{Address, GuestPhysical, PageSize, Range};
use thiserror::Error;

/// The global descriptor table of the 64-bit entry.
pub const GDT: GuestPhysical = GuestPhysical::new(0x1000);
/// Linux' boot parameters, the "zero page".
pub const BOOT_PARAMETERS: GuestPhysical = GuestPhysical::new(0x2000);
/// The command line with its terminating zero, at most a page.
pub const COMMAND_LINE: GuestPhysical = GuestPhysical::new(0x3000);
/// The longest command line, without its terminating zero.
pub const COMMAND_LINE_LIMIT: u64 = 2047;
/// The PVH start info, with its module list and memory map in the same page.
pub const START_INFO: GuestPhysical = GuestPhysical::new(0x4000);
/// The top of the stack of the 64-bit entry, 12 KiB.
pub const STACK_TOP: GuestPhysical = GuestPhysical::new(0x8000);
/// The page tables of the 64-bit entry: six pages.
pub const PAGE_TABLES: GuestPhysical = GuestPhysical::new(0x8000);
/// One past the last boot structure.
pub const BOOT_STRUCTURES_END: GuestPhysical = GuestPhysical::new(0xe000);

/// Where a PC has video memory and firmware: never reported as usable.
const FIRMWARE_AREA: GuestPhysical = GuestPhysical::new(0xa_0000);
/// A page there that a synthetic function's doorbells lead to. Nobody reads it.
pub const DOORBELLS: GuestPhysical = FIRMWARE_AREA;
/// The root system description pointer, where any system finds it without being told: in
/// the firmware area (ACPI 6.5, section 5.2.5.1 "Finding the RSDP on IA-PC Systems").
pub const RSDP: GuestPhysical = GuestPhysical::new(0xe_0000);
/// The first of the ACPI tables' bytes; the RSDP is the first of them.
pub const ACPI_TABLES: GuestPhysical = RSDP;
/// One past the last byte that ACPI tables may take.
pub const ACPI_TABLES_END: GuestPhysical = crate::reset_vector::ADDRESS;
/// The lowest address that a kernel may be loaded at.
pub const KERNEL_AREA: GuestPhysical = GuestPhysical::new(0x10_0000);

/// One past the highest RAM below 4 GiB.
pub const LOW_RAM_LIMIT: GuestPhysical = GuestPhysical::new(0x8000_0000);
/// The I/O APIC's page. BARs lie below.
pub const IO_APIC: GuestPhysical = GuestPhysical::new(0xfec0_0000);
/// The local APICs' page, where x2APIC mode leaves nothing.
pub const LOCAL_APIC: GuestPhysical = GuestPhysical::new(0xfee0_0000);
/// The size of one bus' configuration space: 32 devices, 8 functions, 4 KiB each.
const ECAM_BYTES: u64 = 1 << 20;
/// The first RAM above 4 GiB.
pub const HIGH_RAM: GuestPhysical = GuestPhysical::new(0x1_0000_0000);

/// The smallest partition: what lies below 1 MiB, and as much for a kernel.
pub const MINIMUM_RAM_BYTES: u64 = 2 << 20;

/// The kind of a memory map entry, as E820 and PVH number it (ACPI 6.5, table 15.4
/// "Address Range Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct MemoryKind(pub u32);

impl MemoryKind {
    /// Memory that the guest's kernel may use as it likes.
    pub const RAM: Self = Self(1);
    /// An address range that the guest must not use as memory.
    pub const RESERVED: Self = Self(2);
}

/// One entry of the memory map that a guest is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEntry {
    /// The addresses.
    pub range: Range<GuestPhysical>,
    /// What is there.
    pub kind: MemoryKind,
}

/// Where a partition's RAM lies in its own address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryMap {
    low: Range<GuestPhysical>,
    ecam: Range<GuestPhysical>,
    high: Option<Range<GuestPhysical>>,
}

impl MemoryMap {
    /// Lays out `bytes` of RAM: from 0 up to [`LOW_RAM_LIMIT`], the rest from [`HIGH_RAM`] on.
    ///
    /// # Errors
    /// [`LayoutError`] if that is too little, not a whole number of pages, or too much.
    pub fn new(bytes: u64) -> Result<Self, LayoutError> {
        if bytes < MINIMUM_RAM_BYTES {
            return Err(LayoutError::TooSmall { bytes });
        }
        if !GuestPhysical::new(bytes).is_aligned(PageSize::Size4KiB) {
            return Err(LayoutError::Misaligned { bytes });
        }
        let low_bytes = bytes.min(LOW_RAM_LIMIT.as_u64());
        let high_bytes = bytes.saturating_sub(low_bytes);
        let high = Range::new(HIGH_RAM, high_bytes);
        if high.is_none() && high_bytes > 0 {
            return Err(LayoutError::TooLarge { bytes });
        }
        let low = Range::new(GuestPhysical::new(0), low_bytes);
        let low = low.ok_or(LayoutError::TooSmall { bytes })?;
        let behind = low.end().align_up(PageSize::Size2MiB);
        let ecam = behind.and_then(|at| Range::new(at, ECAM_BYTES));
        let ecam = ecam.ok_or(LayoutError::TooLarge { bytes })?;
        Ok(Self { low, ecam, high })
    }

    /// The RAM that starts at address 0.
    #[must_use]
    pub fn low(&self) -> Range<GuestPhysical> {
        self.low
    }

    /// The RAM above 4 GiB, if there is so much.
    #[must_use]
    pub fn high(&self) -> Option<Range<GuestPhysical>> {
        self.high
    }

    /// The configuration space of bus 0: the next 2 MiB behind the low RAM begin with it, and
    /// so it is aligned to its size, as ECAM has to be.
    #[must_use]
    pub fn ecam(&self) -> Range<GuestPhysical> {
        self.ecam
    }

    /// Where BARs may lie below 4 GiB: behind the configuration space.
    #[must_use]
    pub fn low_window(&self) -> Option<Range<GuestPhysical>> {
        between(self.ecam.end(), IO_APIC)
    }

    /// Where BARs may lie above: behind all RAM, in addresses of `bits` bits; `None` if there
    /// are none.
    #[must_use]
    pub fn high_window(&self, bits: u32) -> Option<Range<GuestPhysical>> {
        let start = self.high.map_or(HIGH_RAM, Range::end);
        between(start, GuestPhysical::new(1_u64.checked_shl(bits)?))
    }

    /// All RAM, in ascending order: what nested page tables map.
    pub fn ram(&self) -> impl Iterator<Item = Range<GuestPhysical>> + use<> {
        [Some(self.low), self.high].into_iter().flatten()
    }

    /// All RAM's size in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ram()
            .fold(0, |sum, range| sum.saturating_add(range.bytes()))
    }

    /// The part of the RAM that a kernel and its initial RAM disk may be loaded to.
    #[must_use]
    pub fn kernel_area(&self) -> Range<GuestPhysical> {
        between(KERNEL_AREA, self.low.end()).unwrap_or(self.low)
    }

    /// What the guest is told, in ascending order.
    pub fn entries(&self) -> impl Iterator<Item = MemoryEntry> + use<> {
        let ram = |range| (range, MemoryKind::RAM);
        let reserved = |range| (range, MemoryKind::RESERVED);
        [
            between(GuestPhysical::new(0), FIRMWARE_AREA).map(ram),
            between(FIRMWARE_AREA, KERNEL_AREA).map(reserved),
            Some(ram(self.kernel_area())),
            Some(reserved(self.ecam)),
            self.high.map(ram),
        ]
        .into_iter()
        .flatten()
        .map(|(range, kind)| MemoryEntry { range, kind })
    }
}

/// The range from `start` up to `end`, unless that is nothing.
pub(crate) fn between(start: GuestPhysical, end: GuestPhysical) -> Option<Range<GuestPhysical>> {
    Range::new(start, end.checked_offset_from(start)?)
}

/// A partition's memory that cannot be laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// Less than [`MINIMUM_RAM_BYTES`].
    #[error("a partition needs {MINIMUM_RAM_BYTES} bytes of memory and has {bytes}")]
    TooSmall {
        /// The partition's RAM.
        bytes: u64,
    },
    /// Not a whole number of 4 KiB pages.
    #[error("a partition's memory is whole pages of 4 KiB, and {bytes} bytes are not")]
    Misaligned {
        /// The partition's RAM.
        bytes: u64,
    },
    /// More than there are addresses.
    #[error("{bytes} bytes of memory are more than there are addresses above 4 GiB")]
    TooLarge {
        /// The partition's RAM.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_partition_has_low_ram_only() {
        let map = MemoryMap::new(640 << 20).unwrap();
        assert_eq!(map.low().end(), GuestPhysical::new(640 << 20));
        assert_eq!(map.high(), None);
        assert_eq!(map.entries().count(), 4);
    }

    #[test]
    fn the_rest_above_two_gib_lies_above_four_gib() {
        let map = MemoryMap::new(3 << 30).unwrap();
        assert_eq!(map.low().end(), LOW_RAM_LIMIT);
        assert_eq!(map.high(), Range::new(HIGH_RAM, 1 << 30));
    }

    #[test]
    fn configuration_space_and_bars_lie_right_behind_low_ram() {
        let range = |start, bytes| Range::new(GuestPhysical::new(start), bytes).unwrap();
        let map = MemoryMap::new(640 << 20).unwrap();
        assert_eq!(map.ecam(), range(0x2800_0000, 0x10_0000));
        let below = range(0x2810_0000, 0xd6b0_0000);
        assert_eq!(map.low_window(), Some(below));
        let above = range(0x1_0000_0000, 0xff_0000_0000);
        assert_eq!(map.high_window(40), Some(above));
        let odd = MemoryMap::new(0x20_1000).unwrap();
        assert_eq!(odd.ecam().start(), GuestPhysical::new(0x40_0000));
    }

    #[test]
    fn the_window_above_begins_behind_all_ram() {
        let map = MemoryMap::new(3 << 30).unwrap();
        let ecam = GuestPhysical::new(0x8000_0000);
        assert_eq!(map.ecam().start(), ecam);
        let window = map.high_window(36).unwrap();
        assert_eq!(window.start(), GuestPhysical::new(0x1_4000_0000));
        assert_eq!(window.end(), GuestPhysical::new(1 << 36));
        assert_eq!(map.high_window(32), None);
        assert_eq!(map.high_window(64), None);
    }

    #[test]
    fn memory_that_cannot_be_laid_out_is_refused() {
        let small = LayoutError::TooSmall { bytes: 0x1000 };
        assert_eq!(MemoryMap::new(0x1000), Err(small));
        let odd = LayoutError::Misaligned { bytes: 0x20_0800 };
        assert_eq!(MemoryMap::new(0x20_0800), Err(odd));
        let bytes = !0xfff;
        assert_eq!(MemoryMap::new(bytes), Err(LayoutError::TooLarge { bytes }));
    }

    proptest! {
        #[test]
        fn entries_ascend_and_account_for_all_ram(pages in 512_u64..(8 << 18)) {
            let map = MemoryMap::new(pages << 12).unwrap();
            let entries: Vec<_> = map.entries().collect();
            prop_assert!(entries.windows(2).all(|two| two[0].range.end() <= two[1].range.start()));
            let usable: u64 = entries
                .iter()
                .filter(|entry| entry.kind == MemoryKind::RAM)
                .map(|entry| entry.range.bytes())
                .sum();
            prop_assert_eq!(usable + 0x6_0000, map.bytes());
            prop_assert_eq!(map.bytes(), pages << 12);
            prop_assert_eq!(map.ecam().start().as_u64() & (ECAM_BYTES - 1), 0);
            let apart = |range| entries.iter().all(|entry| !entry.range.overlaps(range));
            prop_assert!(map.low_window().is_some_and(apart));
            prop_assert!(map.high_window(40).is_some_and(apart));
        }
    }
}
