//! The boot heap: plan, tables and per-partition records are allocated from it before the
//! first guest runs, then it is sealed and gives nothing more.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, Ordering};

use linked_list_allocator::Heap;
use spin::Mutex;

/// The heap's size in bytes; part of the resident size.
pub const HEAP_BYTES: usize = 64 * 1024;

static mut ARENA: [u8; HEAP_BYTES] = [0; HEAP_BYTES];

#[global_allocator]
static ALLOCATOR: BootHeap = BootHeap {
    heap: Mutex::new(Heap::empty()),
    sealed: AtomicBool::new(false),
};

struct BootHeap {
    heap: Mutex<Heap>,
    sealed: AtomicBool,
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
        let block = self.heap.lock().allocate_first_fit(layout);
        block.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller got `block` from `alloc` with the same layout.
            unsafe { self.heap.lock().deallocate(block, layout) };
        }
    }
}
