//! What a boot loader tells, whatever its protocol: [`BootInfo`]; and [`multiboot2`], which
//! reads it out of the bytes that a Multiboot2 boot loader leaves.
//!
//! Not handled: more than [`MAXIMUM_PIECES`] pieces of memory (memory that is not known is
//! memory that is not used), and more than one module (the first is taken).

#![no_std]
#![forbid(unsafe_code)]

pub mod multiboot2;

use addr::{HostPhysical, Range};

/// How many pieces of usable memory are taken over from the firmware.
pub const MAXIMUM_PIECES: usize = 64;

/// What a boot protocol tells, gathered piece by piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootInfo {
    usable: [Option<Range<HostPhysical>>; MAXIMUM_PIECES],
    /// The boot module.
    pub module: Option<Range<HostPhysical>>,
    /// Where the RSDP is.
    pub rsdp: Option<HostPhysical>,
}

impl BootInfo {
    /// Nothing told yet.
    pub const EMPTY: Self = Self {
        usable: [None; MAXIMUM_PIECES],
        module: None,
        rsdp: None,
    };

    /// Adds memory of `bytes` bytes whose E820 type is `kind` (ACPI 6.5, section 15 "System
    /// Address Map Interfaces"), if that is usable RAM, not empty, and does not wrap around.
    pub fn add_memory(&mut self, start: u64, bytes: u64, kind: u32) {
        const RAM: u32 = 1;
        let slot = self.usable.iter_mut().find(|slot| slot.is_none());
        if let Some(slot) = slot
            && kind == RAM
        {
            *slot = Range::new(HostPhysical::new(start), bytes);
        }
    }

    /// The usable RAM, as the firmware lists it.
    pub fn usable(&self) -> impl Iterator<Item = Range<HostPhysical>> {
        self.usable.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_no_ram_or_no_range_is_left_out() {
        let mut info = BootInfo::EMPTY;
        info.add_memory(0x9000, 0x1000, 2);
        info.add_memory(0x1000, 0, 1);
        info.add_memory(u64::MAX, 2, 1);
        info.add_memory(0x10_0000, 0x1000, 1);
        let ram = Range::new(HostPhysical::new(0x10_0000), 0x1000);
        assert!(info.usable().eq(ram));
    }

    #[test]
    fn what_has_no_room_is_not_used() {
        let mut info = BootInfo::EMPTY;
        for piece in 0..100 {
            info.add_memory(piece << 12, 0x1000, 1);
        }
        assert_eq!(info.usable().count(), MAXIMUM_PIECES);
        let last = info.usable().last().map(Range::start);
        assert_eq!(last, Some(HostPhysical::new(63 << 12)));
    }
}
