//! Starts a stock bzImage by its 64-bit boot protocol.
//!
//! Linux 6.12, Documentation/arch/x86/boot.rst, sections "The Real-Mode Kernel Header",
//! "Loading The Rest of The Kernel" and "64-bit Boot Protocol". The zero page's other fields
//! are in arch/x86/include/uapi/asm/bootparam.h (`struct boot_params`).
//!
//! The kernel always goes to its preferred address: one that is loaded below moves itself
//! there anyway, and the RAM from 1 MiB on is one piece, so no other place could fit better.
//! Only a kernel without a preference goes to the lowest aligned one.

mod header;

use addr::{Address, GuestPhysical, Range};

use crate::layout::{BOOT_PARAMETERS, COMMAND_LINE, STACK_TOP};
use crate::long_mode::{write_descriptors, write_identity_map};
use crate::{Entry, GuestMemory, Image, ImageError, MemoryMap, OutOfRange, parts};
use header::SetupHeader;

/// The 64-bit entry point's distance from the protected-mode kernel's first byte.
const ENTRY_64_OFFSET: u64 = 0x200;

/// `type_of_loader` of a boot loader that has no number.
const LOADER_UNDEFINED: u8 = 0xff;

/// Offsets of fields in the zero page.
mod field {
    pub const ACPI_RSDP_ADDR: u64 = 0x70;
    pub const E820_ENTRIES: u64 = 0x1e8;
    pub const SETUP_HEADER: u64 = 0x1f1;
    pub const TYPE_OF_LOADER: u64 = 0x210;
    pub const CODE32_START: u64 = 0x214;
    pub const RAMDISK_IMAGE: u64 = 0x218;
    pub const RAMDISK_SIZE: u64 = 0x21c;
    pub const CMD_LINE_PTR: u64 = 0x228;
    pub const SETUP_DATA: u64 = 0x250;
    pub const E820_TABLE: u64 = 0x2d0;
    pub const E820_ENTRY_BYTES: u64 = 20;
}

/// Puts `image` into `memory` and says how to start it.
///
/// `rsdp` is where the guest finds its ACPI tables; those are the caller's to write.
///
/// # Errors
/// [`ImageError`] says what is wrong with the image, or how many bytes it needs and has.
pub fn load(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    image: &Image<'_>,
    rsdp: GuestPhysical,
) -> Result<Entry, ImageError> {
    let header = SetupHeader::parse(image.kernel)?;
    let kernel = place_kernel(&header, map)?;
    memory.write(kernel.start(), header.protected_mode)?;
    let area = parts::above(map.kernel_area(), kernel.end(), header.ramdisk_limit);
    let ramdisk = parts::load_ramdisk(memory, image.initial_ramdisk, area)?;
    parts::write_command_line(memory, image.command_line, header.command_line_limit)?;

    let absent = (GuestPhysical::new(0), 0);
    let (start, bytes) = ramdisk.map_or(absent, |disk| (disk.start(), disk.bytes()));
    let mut zero_page = ZeroPage { memory };
    zero_page.put(field::SETUP_HEADER, header.bytes)?;
    zero_page.put(field::TYPE_OF_LOADER, &[LOADER_UNDEFINED])?;
    zero_page.put_u32(field::CODE32_START, kernel.start().as_u64())?;
    zero_page.put_u32(field::RAMDISK_IMAGE, start.as_u64())?;
    zero_page.put_u32(field::RAMDISK_SIZE, bytes)?;
    zero_page.put_u32(field::CMD_LINE_PTR, COMMAND_LINE.as_u64())?;
    zero_page.put(field::SETUP_DATA, &0_u64.to_le_bytes())?;
    zero_page.put(field::ACPI_RSDP_ADDR, &rsdp.as_u64().to_le_bytes())?;
    zero_page.put_memory_map(map)?;
    enter(memory, kernel.start())
}

/// The addresses that the kernel takes from its first byte until it has read its memory map.
fn place_kernel(
    header: &SetupHeader<'_>,
    map: &MemoryMap,
) -> Result<Range<GuestPhysical>, ImageError> {
    let area = map.kernel_area();
    let at = match header.preferred_address {
        preferred if preferred >= area.start() => preferred,
        _ => area.start().max(header.alignment),
    };
    let needed = header.run_time_bytes;
    let does_not_fit = ImageError::KernelDoesNotFit {
        at,
        needed,
        available: area.end().checked_offset_from(at).unwrap_or(0),
    };
    Range::new(at, needed)
        .filter(|kernel| area.encloses(*kernel))
        .ok_or(does_not_fit)
}

/// Writes what the first instruction of the kernel at `kernel` stands on.
fn enter(memory: &mut impl GuestMemory, kernel: GuestPhysical) -> Result<Entry, ImageError> {
    let rip = kernel.checked_add(ENTRY_64_OFFSET).ok_or(OutOfRange {
        at: kernel,
        bytes: ENTRY_64_OFFSET,
    })?;
    Ok(Entry::Long {
        rip,
        rsi: BOOT_PARAMETERS,
        rsp: STACK_TOP,
        cr3: write_identity_map(memory)?,
        gdt: write_descriptors(memory)?,
    })
}

/// The zero page in the partition's memory, written field by field.
struct ZeroPage<'a, M> {
    memory: &'a mut M,
}

impl<M: GuestMemory> ZeroPage<'_, M> {
    fn put(&mut self, offset: u64, bytes: &[u8]) -> Result<(), OutOfRange> {
        let at = BOOT_PARAMETERS.checked_add(offset).ok_or(OutOfRange {
            at: BOOT_PARAMETERS,
            bytes: offset,
        })?;
        self.memory.write(at, bytes)
    }

    /// Writes an address or a size that lies in low RAM, so that 32 bits hold it.
    fn put_u32(&mut self, offset: u64, value: u64) -> Result<(), OutOfRange> {
        let value = u32::try_from(value).map_err(|_| OutOfRange {
            at: GuestPhysical::new(value),
            bytes: 0,
        })?;
        self.put(offset, &value.to_le_bytes())
    }

    fn put_memory_map(&mut self, map: &MemoryMap) -> Result<(), OutOfRange> {
        let mut count: u8 = 0;
        for entry in map.entries() {
            let place = u64::from(count).saturating_mul(field::E820_ENTRY_BYTES);
            let place = place.saturating_add(field::E820_TABLE);
            let start = entry.range.start().as_u64();
            self.put(place, &start.to_le_bytes())?;
            let bytes = entry.range.bytes();
            self.put(place.saturating_add(8), &bytes.to_le_bytes())?;
            self.put(place.saturating_add(16), &entry.kind.0.to_le_bytes())?;
            count = count.saturating_add(1);
        }
        self.put(field::E820_ENTRIES, &[count])
    }
}

#[cfg(test)]
mod tests;
