//! Starts an ELF file by the PVH protocol.
//!
//! Xen 4.19, docs/misc/pvh.pandoc, section "x86/HVM direct boot ABI", and
//! xen/include/public/arch-x86/hvm/start_info.h for the start info. The ELF format is the
//! System V ABI's (gABI 4.1, chapter 4 "Object Files", chapter 5 "Program Loading").

mod error;
mod file;
mod start_info;

pub use error::ElfError;
pub use file::ElfFile;

use addr::{GuestPhysical, Range};

use crate::layout::COMMAND_LINE_LIMIT;
use crate::memory::byte_count;
use crate::{Entry, GuestMemory, Image, MemoryMap, placement};
use start_info::StartInfo;

/// Puts `image` into `memory` and says how to start it.
///
/// `rsdp` is where the guest finds its ACPI tables; those are the caller's to write.
///
/// # Errors
/// [`ElfError`] says what is wrong with the image, or how many bytes it needs and has.
pub fn load(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    image: &Image<'_>,
    rsdp: GuestPhysical,
) -> Result<Entry, ElfError> {
    check_command_line(image.command_line)?;
    let file = ElfFile::parse(image.kernel)?;
    let end = load_segments(memory, map, &file)?;
    let module = load_module(memory, map, image.initial_ramdisk, end)?;
    let ebx = StartInfo {
        command_line: image.command_line,
        module,
        map,
        rsdp,
    }
    .write(memory)?;
    let eip = file.entry();
    Ok(Entry::Protected { eip, ebx })
}

/// Refuses a command line that would be cut.
fn check_command_line(command_line: &str) -> Result<(), ElfError> {
    let bytes = byte_count(command_line.as_bytes());
    if bytes > COMMAND_LINE_LIMIT {
        return Err(ElfError::CommandLineTooLong { bytes });
    }
    if command_line.contains('\0') {
        return Err(ElfError::CommandLineHasZero);
    }
    Ok(())
}

/// Copies the segments to their physical addresses; the answer is one past the highest byte.
/// All are checked before the first is copied.
fn load_segments(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    file: &ElfFile<'_>,
) -> Result<GuestPhysical, ElfError> {
    let area = map.kernel_area();
    let mut end = area.start();
    let mut has_entry = false;
    for segment in file.segments() {
        let range = segment?.range;
        if !area.encloses(range) {
            return Err(ElfError::SegmentOutside {
                segment: range,
                area,
            });
        }
        has_entry |= range.contains(GuestPhysical::new(file.entry().into()));
        end = end.max(range.end());
    }
    if !has_entry {
        return Err(ElfError::EntryOutside {
            entry: file.entry(),
        });
    }
    for segment in file.segments() {
        let segment = segment?;
        memory.write(segment.range.start(), segment.content)?;
        if let Some(rest) = segment.rest() {
            memory.fill(rest, 0)?;
        }
    }
    Ok(end)
}

/// Copies the module to the top of low RAM, if there is one.
fn load_module(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    module: Option<&[u8]>,
    kernel_end: GuestPhysical,
) -> Result<Option<Range<GuestPhysical>>, ElfError> {
    let Some(content) = module.filter(|content| !content.is_empty()) else {
        return Ok(None);
    };
    let needed = byte_count(content);
    let area = placement::above(map.kernel_area(), kernel_end, map.low().end());
    let start = placement::highest(area, needed)
        .map_err(|available| ElfError::ModuleDoesNotFit { needed, available })?;
    memory.write(start, content)?;
    Ok(Range::new(start, needed))
}

#[cfg(test)]
mod tests;
