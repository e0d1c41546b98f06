//! The Multiboot2 boot information (Multiboot2 Specification version 2.0, section 3.6
//! "Boot information format").

use multiboot2::{BootInformation, BootInformationHeader};

use crate::Handoff;

/// Reads the boot information at physical address `information`.
///
/// # Errors
/// The structure is not a Multiboot2 boot information, or has no memory map or RSDP.
///
/// # Safety
/// `information` is the address that a Multiboot2 boot loader passed in EBX; it is identity
/// mapped and not changed meanwhile.
pub unsafe fn read(information: usize) -> Result<Handoff, &'static str> {
    let header = information as *const BootInformationHeader;
    // SAFETY: the caller vouches for the structure.
    let boot = unsafe { BootInformation::load(header) }
        .map_err(|_| "the Multiboot2 boot information is malformed")?;
    let map = boot
        .memory_map_tag()
        .ok_or("Multiboot2 gave no memory map")?;
    let mut handoff = Handoff::new();
    for area in map.memory_areas() {
        handoff.add_region(area.start_address(), area.size(), area.typ().into());
    }
    if let Some(module) = boot.module_tags().next() {
        handoff.set_module(module.start_address().into(), module.module_size().into());
    }
    handoff.set_rsdp(rsdp_address(&boot).ok_or("Multiboot2 gave no ACPI RSDP")?);
    Ok(handoff)
}

/// The address of the RSDP's copy inside the boot information.
fn rsdp_address(boot: &BootInformation) -> Option<u64> {
    const TAG_HEADER_BYTES: u64 = 8;
    let newer = boot
        .rsdp_v2_tag()
        .map(|tag| core::ptr::from_ref(tag).cast::<u8>());
    let tag = newer.or_else(|| {
        boot.rsdp_v1_tag()
            .map(|tag| core::ptr::from_ref(tag).cast())
    })?;
    (tag as u64).checked_add(TAG_HEADER_BYTES)
}
