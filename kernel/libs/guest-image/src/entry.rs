//! The machine state of a partition's first instruction.

use addr::GuestPhysical;

/// How the boot core of a partition starts. Whatever is not named is as after INIT
/// (Intel SDM 325384-080, volume 3A, section 10.1.1 "Processor State After Reset"), and
/// interrupts are off (`RFLAGS.IF` clear).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// 64-bit mode with paging on: `EFER.LME` and `LMA`, `CR0.PE` and `PG`, `CR4.PAE` set.
    Long {
        /// The first instruction.
        rip: GuestPhysical,
        /// The boot parameters, Linux' zero page.
        rsi: GuestPhysical,
        /// The top of a small stack.
        rsp: GuestPhysical,
        /// The level 4 page table of an identity map of the first 4 GiB.
        cr3: GuestPhysical,
        /// The table that [`Entry::CODE_SELECTOR`] and [`Entry::DATA_SELECTOR`] lie in.
        gdt: DescriptorTable,
    },
    /// 32-bit protected mode without paging, flat segments of 4 GiB: `CR0.PE` set alone.
    Protected {
        /// The first instruction.
        eip: u32,
        /// The PVH start info.
        ebx: u32,
    },
}

impl Entry {
    /// `CS` in long mode: Linux' `__BOOT_CS`, a 64-bit code segment.
    pub const CODE_SELECTOR: u16 = 0x10;

    /// `DS`, `ES` and `SS` in long mode: Linux' `__BOOT_DS`, a flat writable data segment.
    pub const DATA_SELECTOR: u16 = 0x18;
}

/// The operand of LGDT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorTable {
    /// The table's first byte.
    pub base: GuestPhysical,
    /// The offset of the table's last byte.
    pub limit: u16,
}
