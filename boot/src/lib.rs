//! What runs before `kernel_main`: the machine's own entry points, and the one shape into
//! which each brings what its boot loader told.
//!
//! Both entries ([`pvh`] for `qemu -kernel`, [`multiboot2`] for GRUB and iPXE) arrive in
//! `entry.s` in 32-bit protected mode with paging off. The stub identity-maps the first
//! 4 GiB, enters 64-bit mode on the boot stack and calls [`start`], which ends in the
//! kernel's `kernel_main` with interrupts off, the boot page tables live and a [`BootInfo`].

#![no_std]

mod multiboot2;
mod pvh;

use boot_info::BootInfo;

core::arch::global_asm!(include_str!("entry.s"), options(att_syntax));

/// What `entry.s` passes for a PVH entry; Multiboot2 passes its own magic number.
const PVH_MAGIC: u32 = 0x336e_c578;

unsafe extern "Rust" {
    /// The kernel's own entry, which each kernel defines with `#[unsafe(no_mangle)]`.
    safe fn kernel_main(boot: Result<BootInfo, &'static str>) -> !;
}

/// Turns what the boot loader left at `information` into a [`BootInfo`] and starts the kernel.
///
/// # Safety
/// `entry.s` calls this once, with `magic` as the boot loader's protocol wants it and
/// `information` the physical address of that protocol's structure, identity mapped.
#[unsafe(no_mangle)]
unsafe extern "C" fn start(magic: u32, information: u32) -> ! {
    let information = information as usize;
    let boot = match magic {
        // SAFETY: the caller vouches for the structure behind this magic number.
        PVH_MAGIC => unsafe { pvh::read(information) },
        // SAFETY: as above.
        boot_info::multiboot2::MAGIC => unsafe { multiboot2::read(information) },
        _ => Err("started by a boot loader that is neither PVH nor Multiboot2"),
    };
    kernel_main(boot)
}
