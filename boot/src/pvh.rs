//! The PVH boot protocol's `hvm_start_info` (Xen, public/arch-x86/hvm/start_info.h,
//! interface version 1: "C representation of the x86/HVM start info layout").

use core::ptr;

use addr::{HostPhysical, Range};
use boot_info::BootInfo;

/// `hvm_start_info`, version 1.
#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

/// `hvm_modlist_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    start: u64,
    bytes: u64,
    command_line: u64,
    reserved: u64,
}

/// `hvm_memmap_table_entry`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    start: u64,
    bytes: u64,
    kind: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<StartInfo>() == 56);
const _: () = assert!(size_of::<Module>() == 32);
const _: () = assert!(size_of::<MemoryMapEntry>() == 24);

/// Reads the start info at physical address `information`.
///
/// # Errors
/// The structure is not a start info of version 1 or later.
///
/// # Safety
/// `information` is the address that a PVH boot loader passed in EBX; it and what it points
/// to is identity mapped and not changed meanwhile.
pub unsafe fn read(information: usize) -> Result<BootInfo, &'static str> {
    // SAFETY: the caller vouches for the structure; unaligned reads need no alignment.
    let start_info = unsafe { ptr::read_unaligned(information as *const StartInfo) };
    if start_info.magic != crate::PVH_MAGIC {
        return Err("the PVH start info has not its magic number");
    }
    if start_info.version < 1 {
        return Err("the PVH start info is of version 0, which has no memory map");
    }
    let mut boot = BootInfo::EMPTY;
    boot.rsdp = Some(HostPhysical::new(start_info.rsdp));
    for index in 0..u64::from(start_info.memory_map_entries) {
        // SAFETY: the protocol promises this many entries at this address.
        let entry: MemoryMapEntry = unsafe { read_entry(start_info.memory_map, index) };
        boot.add_memory(entry.start, entry.bytes, entry.kind);
    }
    if start_info.module_count > 0 {
        // SAFETY: the protocol promises at least one module at this address.
        let module: Module = unsafe { read_entry(start_info.module_list, 0) };
        boot.module = Range::new(HostPhysical::new(module.start), module.bytes);
    }
    Ok(boot)
}

/// Reads element `index` of the array of `T` at physical address `array`.
///
/// # Safety
/// The array has that many elements and is identity mapped.
unsafe fn read_entry<T: Copy>(array: u64, index: u64) -> T {
    let offset = index.wrapping_mul(size_of::<T>() as u64);
    // SAFETY: the caller vouches for the element.
    unsafe { ptr::read_unaligned(array.wrapping_add(offset) as *const T) }
}
