//! No heap. A library that the guests share with tools can allocate, and wants an allocator
//! named; the guests use nothing of it that does.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

struct NoHeap;

#[global_allocator]
static NO_HEAP: NoHeap = NoHeap;

// SAFETY: no memory is ever given out, so none can be wrong or given back.
unsafe impl GlobalAlloc for NoHeap {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
