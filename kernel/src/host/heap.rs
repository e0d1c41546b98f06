//! The boot heap: plan, tables and per-partition records are allocated from it before the
//! first guest runs, then it is sealed and gives nothing more.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use addr::{Address, HostPhysical, PageSize, Range};
use linked_list_allocator::Heap;
use spin::Mutex;

/// The heap's size in bytes: an upper bound, of which only what was used stays resident.
pub const HEAP_BYTES: usize = 64 * 1024;

static mut ARENA: [u8; HEAP_BYTES] = [0; HEAP_BYTES];

#[global_allocator]
static ALLOCATOR: BootHeap = BootHeap {
    heap: Mutex::new(Heap::empty()),
    sealed: AtomicBool::new(false),
    reached: AtomicU64::new(0),
};

struct BootHeap {
    heap: Mutex<Heap>,
    sealed: AtomicBool,
    /// The end of the highest block that was ever given out.
    reached: AtomicU64,
}

/// Gives the heap its memory.
pub fn initialise() {
    let arena = (&raw mut ARENA).cast::<u8>();
    let mut heap = ALLOCATOR.heap.lock();
    if heap.size() == 0 {
        // SAFETY: ARENA is named nowhere else, is HEAP_BYTES long, and the size check makes
        // this happen once.
        unsafe { heap.init(arena, HEAP_BYTES) };
    }
}

/// Ends allocation for good: from here on a request fails.
pub fn seal() {
    ALLOCATOR.sealed.store(true, Ordering::Release);
}

/// The whole pages that no block has ever reached, for whoever seals the heap: nobody needs
/// them any more.
pub fn spare() -> Option<Range<HostPhysical>> {
    // The allocator notes a hole in the hole itself, at its beginning.
    const HOLE_BYTES: u64 = 64;
    let arena = (&raw const ARENA) as u64;
    let end = arena.checked_add(HEAP_BYTES as u64)?;
    let reached = ALLOCATOR.reached.load(Ordering::Relaxed).max(arena);
    let start = HostPhysical::new(reached.checked_add(HOLE_BYTES)?).align_up(PageSize::Size4KiB)?;
    let end = HostPhysical::new(end).align_down(PageSize::Size4KiB);
    Range::new(start, end.checked_offset_from(start)?)
}

/// The bytes in use.
pub fn used() -> usize {
    ALLOCATOR.heap.lock().used()
}

// SAFETY: `Heap` gives out disjoint, aligned blocks of the arena, under a lock; a sealed
// heap gives null, which `GlobalAlloc` allows.
unsafe impl GlobalAlloc for BootHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.sealed.load(Ordering::Acquire) {
            return ptr::null_mut();
        }
        let Ok(block) = self.heap.lock().allocate_first_fit(layout) else {
            return ptr::null_mut();
        };
        let end = (block.as_ptr() as u64).saturating_add(layout.size() as u64);
        self.reached.fetch_max(end, Ordering::Relaxed);
        block.as_ptr()
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller got `block` from `alloc` with the same layout.
            unsafe { self.heap.lock().deallocate(block, layout) };
        }
    }
}
