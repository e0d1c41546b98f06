//! Frames: whole 4 KiB pages for tables, stacks and control blocks.
//!
//! They come, in order and cleared, from one pool that boot picks out of the memory which
//! neither the kernel, the boot module nor any partition owns. None is ever given back.

use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU64, Ordering};

use addr::{Address, HostPhysical, PageSize, Range};
use page_table::{Level, TableMemory};
use spin::Once;

use super::physical::Ram;

/// What the pool has in bytes for partitions and the housekeeping core, and for each further
/// core's stacks: an upper bound, of which only what is used counts as resident.
const PARTITION_BYTES: u64 = 4 << 20;
const CORE_BYTES: u64 = 64 << 10;

/// The size in bytes of the pool for partitions that have `cores` cores.
pub const fn pool_bytes(cores: usize) -> u64 {
    PARTITION_BYTES.saturating_add(CORE_BYTES.saturating_mul(cores as u64))
}

static POOL: Once<Pool> = Once::new();

struct Pool {
    ram: Ram,
    used: AtomicU64,
}

/// Gives the pool its memory, once.
pub fn initialise(ram: Ram) {
    let used = AtomicU64::new(0);
    POOL.call_once(|| Pool { ram, used });
}

/// Takes `count` consecutive frames, cleared; `None` if the pool has no more.
pub fn allocate(count: u64) -> Option<Ram> {
    let pool = POOL.get()?;
    let bytes = count.checked_mul(PageSize::Size4KiB.bytes())?;
    let room = pool.ram.range().bytes();
    let end = |used: u64| used.checked_add(bytes).filter(|end| *end <= room);
    let used = pool
        .used
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, end)
        .ok()?;
    let range = Range::new(pool.ram.range().start().checked_add(used)?, bytes)?;
    // SAFETY: the range is part of the pool, which the pool's own `Ram` vouches for; `used`
    // only grows, so no frame is given out twice, and the pool itself touches none again.
    let frames = unsafe { Ram::new(range) };
    frames.clear();
    Some(frames)
}

/// Does `action`, and tells which frames were taken meanwhile: at boot nobody else takes any.
pub fn taken_by<T>(action: impl FnOnce() -> T) -> (T, Option<Range<HostPhysical>>) {
    let before = used();
    let result = action();
    let taken = POOL.get().and_then(|pool| {
        let start = pool.ram.range().start().checked_add(before)?;
        Range::new(start, used().checked_sub(before)?)
    });
    (result, taken)
}

/// Puts `value` into frames of its own, for good; `None` if the pool has no more.
pub fn place<T>(value: T) -> Option<&'static mut T> {
    let count = (size_of::<T>() as u64).div_ceil(PageSize::Size4KiB.bytes());
    let frames = allocate(count)?;
    let place = frames.range().start().as_u64() as *mut MaybeUninit<T>;
    // SAFETY: the frames are big enough, aligned to a page (no type here asks for more), never
    // given out again, and `frames`, their only other name, ends here.
    let place = unsafe { &mut *place };
    Some(place.write(value))
}

/// The bytes given out.
pub fn used() -> u64 {
    POOL.get()
        .map_or(0, |pool| pool.used.load(Ordering::Relaxed))
}

/// Memory for page tables that the CPU or a coherent IOMMU reads.
#[derive(Debug)]
pub struct CoherentTables;

impl TableMemory for CoherentTables {
    fn allocate(&mut self) -> Option<HostPhysical> {
        allocate(1).map(|frame| frame.range().start())
    }

    fn read(&self, table: HostPhysical, index: usize) -> u64 {
        entry(table, index).map_or(0, |(ram, offset)| ram.read_u64(offset).unwrap_or(0))
    }

    fn write(&mut self, table: HostPhysical, index: usize, value: u64) {
        if let Some((ram, offset)) = entry(table, index) {
            // `entry` has checked the bounds.
            let _ = ram.write_u64(offset, value);
        }
    }
}

/// Memory for page tables that an IOMMU reads, which may not look into the CPU's caches
/// (ECAP.C clear): what is written is flushed.
#[derive(Debug)]
pub struct FlushedTables;

impl TableMemory for FlushedTables {
    fn allocate(&mut self) -> Option<HostPhysical> {
        let frame = allocate(1)?;
        frame.flush();
        Some(frame.range().start())
    }

    fn read(&self, table: HostPhysical, index: usize) -> u64 {
        CoherentTables.read(table, index)
    }

    fn write(&mut self, table: HostPhysical, index: usize, value: u64) {
        if let Some((ram, offset)) = entry(table, index) {
            let _ = ram.write_u64(offset, value);
            ram.flush_line(offset);
        }
    }
}

/// The pool and where in it entry `index` of `table` is, if the table is one of the pool's.
/// Inlined: every word of every page table goes through it.
#[inline(always)]
fn entry(table: HostPhysical, index: usize) -> Option<(&'static Ram, u64)> {
    let Pool { ram, .. } = POOL.get()?;
    let index = (index % Level::ENTRIES) as u64;
    // A table below the pool, a page at least, is far behind its end then: `Ram` looks.
    let offset = table.as_u64().wrapping_sub(ram.range().start().as_u64());
    Some((ram, offset.wrapping_add(index << 3)))
}
