//! The PVH start info, its module list and its memory map, in one page.

use addr::{GuestPhysical, Range};

use crate::layout::{COMMAND_LINE, MemoryEntry, START_INFO};
use crate::memory::write_words;
use crate::{GuestMemory, MemoryMap, OutOfRange};

/// "xEn3" with the high bit of its "E" set.
const MAGIC: u64 = 0x336e_c578;
/// The version that has a memory map, in the upper half of the first word.
const VERSION: u64 = 1 << 32;
/// The module list, of at most one entry; memory is clear.
const MODULES: GuestPhysical = GuestPhysical::new(START_INFO.as_u64() + 0x40);
/// The memory map.
const MEMORY_MAP: GuestPhysical = GuestPhysical::new(START_INFO.as_u64() + 0x80);

/// Writes what a PVH guest is told; the answer is the start info's address.
pub(super) fn write(
    memory: &mut impl GuestMemory,
    map: &MemoryMap,
    module: Option<Range<GuestPhysical>>,
    rsdp: GuestPhysical,
) -> Result<u32, OutOfRange> {
    let mut entries: u64 = 0;
    let mut end = MEMORY_MAP;
    for MemoryEntry { range, kind } in map.entries() {
        let entry = [range.start().as_u64(), range.bytes(), kind.0.into()];
        end = write_words(memory, end, &entry)?;
        entries = entries.saturating_add(1);
    }
    if let Some(module) = module {
        // Behind it, an address of no command line and a reserved word.
        write_words(memory, MODULES, &[module.start().as_u64(), module.bytes()])?;
    }
    let start_info = [
        MAGIC | VERSION,
        // No flags: neither privileged nor the initial domain.
        u64::from(module.is_some()) << 32,
        module.map_or(0, |_| MODULES.as_u64()),
        COMMAND_LINE.as_u64(),
        rsdp.as_u64(),
        MEMORY_MAP.as_u64(),
        entries,
    ];
    write_words(memory, START_INFO, &start_info)?;
    Ok(START_INFO.as_u64() as u32)
}
