//! Everything that is put into a partition's memory before its first instruction.
//!
//! Key types: [`MemoryMap`] (where a partition's RAM lies in its own address space),
//! [`GuestMemory`] (how bytes get there), [`Image`] (what the plan wants started) and
//! [`Entry`] (the machine state of the first instruction). [`linux::load`] follows the
//! 64-bit boot protocol of a stock bzImage, [`elf::load`] the PVH protocol of an ELF file,
//! and [`acpi::tables`] generates what firmware would have left behind. Loading into a
//! [`Rehearsal`] says whether an image can be started, and changes nothing.
//!
//! Expects: memory that the caller has cleared. Leaves: structures of the caller's choice
//! in the low megabyte (see [`layout`]), the kernel from 1 MiB on, the initial RAM disk at
//! the top of low RAM. Images are untrusted bytes: nothing in them can make this library
//! panic, or write outside the memory map.
//!
//! Not handled: 16- and 32-bit boot protocols, compressed ELF files, EFI hand-over,
//! `setup_data` lists, initial RAM disks above 4 GiB.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    expect(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails, as it should"
    )
)]

extern crate alloc;

pub mod acpi;
pub mod elf;
mod entry;
mod error;
pub mod layout;
pub mod linux;
mod long_mode;
mod memory;
mod parts;
mod rehearsal;
pub mod reset_vector;

pub use entry::{DescriptorTable, Entry};
pub use error::ImageError;
pub use layout::MemoryMap;
pub use memory::{GuestMemory, OutOfRange};
pub use rehearsal::Rehearsal;

#[cfg(test)]
mod fake_memory;

/// What a partition is to start, as the bundle holds it: bytes that nobody has checked.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// The kernel's file.
    pub kernel: &'a [u8],
    /// The initial RAM disk's file.
    pub initial_ramdisk: Option<&'a [u8]>,
    /// The command line, without its terminating zero.
    pub command_line: &'a str,
}
