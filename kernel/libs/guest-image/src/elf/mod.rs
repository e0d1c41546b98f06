//! Starts an ELF file by the PVH protocol.
//!
//! Xen 4.19, docs/misc/pvh.pandoc, section "x86/HVM direct boot ABI", and
//! xen/include/public/arch-x86/hvm/start_info.h for the start info. The ELF format is the
//! System V ABI's (gABI 4.1, chapter 4 "Object Files", chapter 5 "Program Loading").

mod file;
mod start_info;

use addr::GuestPhysical;

use crate::layout::COMMAND_LINE_LIMIT;
use crate::memory::byte_count;
use crate::{Entry, GuestMemory, Image, ImageError, MemoryMap, parts};
use file::{ElfFile, Segment};

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
    let file = ElfFile::parse(image.kernel)?;
    parts::write_command_line(memory, image.command_line, COMMAND_LINE_LIMIT)?;
    let end = load_segments(memory, map, &file)?;
    let area = parts::above(map.kernel_area(), end, map.low().end());
    let module = parts::load_ramdisk(memory, image.initial_ramdisk, area)?;
    let ebx = start_info::write(memory, map, module, rsdp)?;
    let eip = file.entry;
    Ok(Entry::Protected { eip, ebx })
}

/// Copies the segments to their physical addresses; the answer is one past the highest byte.
/// All are checked before the first is copied: no byte of the memory is one of two segments, and
/// what is copied is not more than the file.
fn load_segments(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    file: &ElfFile<'_>,
) -> Result<GuestPhysical, ImageError> {
    let area = map.kernel_area();
    let mut end = area.start();
    let mut left = file.size;
    let mut has_entry = false;
    for segment in file.segments() {
        let Segment { range, content } = segment?;
        if !area.encloses(range) {
            return Err(ImageError::SegmentOutside {
                segment: range,
                area,
            });
        }
        let at = range.start();
        let rest = left.checked_sub(byte_count(content));
        left = rest
            .filter(|_| at >= end)
            .ok_or(ImageError::SegmentAgain { at })?;
        has_entry |= range.contains(GuestPhysical::new(file.entry.into()));
        end = range.end();
    }
    if !has_entry {
        return Err(ImageError::EntryOutside { entry: file.entry });
    }
    for segment in file.segments() {
        let segment = segment?;
        memory.write(segment.range.start(), segment.content)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests;
