//! The boot heap: plan, tables and per-partition records are allocated from it before the
//! first guest runs, then it is sealed and gives nothing more.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use addr::{HostPhysical, PageSize, Range};
use linked_list_allocator::Heap;
use spin::Mutex;

use crate::cannot_run;

/// What the heap has at least, in bytes, by `boot/kernel.ld`: an upper bound, of which only pages
/// with blocks in them stay resident.
pub const LEAST_BYTES: usize = 256 * 1024;

unsafe extern "C" {
    static mut heap_start: u8;
    static heap_end: u8;
}

#[global_allocator]
static ALLOCATOR: BootHeap = BootHeap {
    heap: Mutex::new(Heap::empty()),
    sealed: AtomicBool::new(false),
    spare_bytes: AtomicUsize::new(0),
};

struct BootHeap {
    heap: Mutex<Heap>,
    sealed: AtomicBool,
    /// What was taken in spare pages.
    spare_bytes: AtomicUsize,
}

/// Gives the heap its memory.
pub fn initialise() {
    let start = &raw mut heap_start;
    let bytes = (&raw const heap_end as usize).saturating_sub(start as usize);
    let mut heap = ALLOCATOR.heap.lock();
    if heap.size() == 0 {
        // SAFETY: the linker script keeps these bytes for the heap, nobody else names them, and
        // the size check makes this happen once.
        unsafe { heap.init(start, bytes) };
    }
}

/// The plan and the machine ask for more at boot than there is: no mistake of ours.
fn does_not_suffice() -> ! {
    cannot_run(format_args!(
        "{} KiB do not suffice for this plan on this machine; make the plan smaller",
        LEAST_BYTES >> 10
    ))
}

/// Ends allocation for good: from here on a request fails.
pub fn seal() {
    ALLOCATOR.sealed.store(true, Ordering::Release);
}

/// Takes a whole page that no block lies in, if there is one: nobody needs it in a sealed heap.
pub fn take_spare_page() -> Option<Range<HostPhysical>> {
    let bytes = PageSize::Size4KiB.bytes();
    let layout = Layout::from_size_align(bytes as usize, bytes as usize).ok()?;
    let page = ALLOCATOR.heap.lock().allocate_first_fit(layout).ok()?;
    ALLOCATOR
        .spare_bytes
        .fetch_add(layout.size(), Ordering::Relaxed);
    Range::new(HostPhysical::new(page.as_ptr() as u64), bytes)
}

/// The bytes in use.
pub fn used() -> usize {
    let taken = ALLOCATOR.heap.lock().used();
    taken.saturating_sub(ALLOCATOR.spare_bytes.load(Ordering::Relaxed))
}

// SAFETY: `Heap` gives out disjoint, aligned blocks of its memory, under a lock; a sealed
// heap gives null, which `GlobalAlloc` allows, and one that does not suffice ends the boot.
unsafe impl GlobalAlloc for BootHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.sealed.load(Ordering::Acquire) {
            return ptr::null_mut();
        }
        let block = self.heap.lock().allocate_first_fit(layout);
        block.map_or_else(|_| does_not_suffice(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller got `block` from `alloc` with the same layout.
            unsafe { self.heap.lock().deallocate(block, layout) };
        }
    }
}
