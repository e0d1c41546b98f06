//! The Multiboot2 boot information, as bytes.

use core::{ptr, slice};

use addr::HostPhysical;
use boot_info::{BootInfo, multiboot2};

/// Reads the boot information at physical address `information`.
///
/// # Errors
/// The structure is not a Multiboot2 boot information, or has no memory map or RSDP.
///
/// # Safety
/// `information` is the address that a Multiboot2 boot loader passed in EBX; it is identity
/// mapped and not changed meanwhile.
pub unsafe fn read(information: usize) -> Result<BootInfo, &'static str> {
    let start = information as *const u8;
    // SAFETY: the caller vouches for the structure, which begins with its size in bytes.
    let size = unsafe { ptr::read_unaligned(start.cast::<u32>()) };
    // SAFETY: as above.
    let bytes = unsafe { slice::from_raw_parts(start, size as usize) };
    multiboot2::read(bytes, HostPhysical::new(information as u64))
}
