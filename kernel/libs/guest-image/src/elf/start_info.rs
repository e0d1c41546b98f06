//! The PVH start info, its module list and its memory map, in one page.

use addr::{Address, GuestPhysical, Range};

use crate::layout::{COMMAND_LINE, START_INFO};
use crate::{GuestMemory, MemoryMap, OutOfRange};

/// "xEn3" with the high bit of its "E" set.
const MAGIC: u32 = 0x336e_c578;
/// The version that has a memory map.
const VERSION: u32 = 1;
/// The offset of the module list's only entry.
const MODULE_OFFSET: u64 = 0x40;
/// The offset of the memory map.
const MEMORY_MAP_OFFSET: u64 = 0x80;
const MEMORY_MAP_ENTRY_BYTES: u64 = 24;

/// What a PVH guest is told.
pub(super) struct StartInfo<'a> {
    pub command_line: &'a str,
    pub module: Option<Range<GuestPhysical>>,
    pub map: &'a MemoryMap,
    pub rsdp: GuestPhysical,
}

impl StartInfo<'_> {
    /// Writes everything; the answer is the start info's address.
    pub fn write(&self, memory: &mut impl GuestMemory) -> Result<u32, OutOfRange> {
        // Memory is clear, so the terminating zero is there already.
        memory.write(COMMAND_LINE, self.command_line.as_bytes())?;
        let entries = self.write_memory_map(memory)?;
        let module = self.write_module(memory)?;
        let mut page = Cursor::new(memory, 0)?;
        page.put_u32(MAGIC)?;
        page.put_u32(VERSION)?;
        // No flags: neither privileged nor the initial domain.
        page.put_u32(0)?;
        page.put_u32(u32::from(module.is_some()))?;
        page.put_u64(module.map_or(0, GuestPhysical::as_u64))?;
        page.put_u64(COMMAND_LINE.as_u64())?;
        page.put_u64(self.rsdp.as_u64())?;
        page.put_u64(place(MEMORY_MAP_OFFSET)?.as_u64())?;
        page.put_u32(entries)?;
        page.put_u32(0)?;
        u32::try_from(START_INFO.as_u64()).map_err(|_| outside(0))
    }

    /// Writes the module list, if there is a module; the answer is its address.
    fn write_module(
        &self,
        memory: &mut impl GuestMemory,
    ) -> Result<Option<GuestPhysical>, OutOfRange> {
        let Some(module) = self.module else {
            return Ok(None);
        };
        let mut page = Cursor::new(memory, MODULE_OFFSET)?;
        page.put_u64(module.start().as_u64())?;
        page.put_u64(module.bytes())?;
        // No command line of its own, and a reserved field.
        page.put_u64(0)?;
        page.put_u64(0)?;
        Ok(Some(place(MODULE_OFFSET)?))
    }

    /// Writes the memory map; the answer is its number of entries.
    fn write_memory_map(&self, memory: &mut impl GuestMemory) -> Result<u32, OutOfRange> {
        let mut count: u32 = 0;
        for entry in self.map.entries() {
            let offset = u64::from(count).saturating_mul(MEMORY_MAP_ENTRY_BYTES);
            let mut page = Cursor::new(memory, MEMORY_MAP_OFFSET.saturating_add(offset))?;
            page.put_u64(entry.range.start().as_u64())?;
            page.put_u64(entry.range.bytes())?;
            page.put_u32(entry.kind.0)?;
            page.put_u32(0)?;
            count = count.saturating_add(1);
        }
        Ok(count)
    }
}

/// The address `offset` bytes into the page.
fn place(offset: u64) -> Result<GuestPhysical, OutOfRange> {
    START_INFO.checked_add(offset).ok_or(outside(offset))
}

fn outside(bytes: u64) -> OutOfRange {
    let at = START_INFO;
    OutOfRange { at, bytes }
}

/// Writes field after field.
struct Cursor<'a, M> {
    memory: &'a mut M,
    at: GuestPhysical,
}

impl<'a, M: GuestMemory> Cursor<'a, M> {
    fn new(memory: &'a mut M, offset: u64) -> Result<Self, OutOfRange> {
        let at = place(offset)?;
        Ok(Self { memory, at })
    }

    fn put_u32(&mut self, value: u32) -> Result<(), OutOfRange> {
        self.put(&value.to_le_bytes(), 4)
    }

    fn put_u64(&mut self, value: u64) -> Result<(), OutOfRange> {
        self.put(&value.to_le_bytes(), 8)
    }

    fn put(&mut self, field: &[u8], bytes: u64) -> Result<(), OutOfRange> {
        self.memory.write(self.at, field)?;
        self.at = self.at.checked_add(bytes).ok_or(outside(bytes))?;
        Ok(())
    }
}
