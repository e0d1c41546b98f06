//! Physical memory and device registers, reached through the identity map.
//!
//! Key types: [`Ram`], a range of memory that its holder owns, and [`Registers`], a device's
//! register window. Making one is `unsafe` and states what must hold; using one is safe,
//! because every access is checked against its bounds.

use core::ptr;

use addr::{Address, HostPhysical, Range};

/// A range of physical memory that is owned by whoever holds this value's only copy.
#[derive(Debug)]
pub struct Ram {
    range: Range<HostPhysical>,
}

/// The access would leave the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

/// 16 bytes at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned(u128);

impl Ram {
    /// Takes possession of `range`.
    ///
    /// # Safety
    /// 1. The range is RAM and identity mapped, writable, whenever this value is used.
    /// 2. No Rust object lies in it, and no other `Ram` overlaps it.
    pub const unsafe fn new(range: Range<HostPhysical>) -> Self {
        Self { range }
    }

    /// The addresses that this value covers.
    pub const fn range(&self) -> Range<HostPhysical> {
        self.range
    }

    /// Reads the aligned 64-bit word at `offset` bytes.
    pub fn read_u64(&self, offset: u64) -> Result<u64, OutOfRange> {
        let pointer = self.pointer::<u64>(offset)?;
        // SAFETY: `pointer` has checked bounds and alignment; condition 1 of `new` maps it.
        // Volatile, for a guest or a device may write it meanwhile.
        Ok(unsafe { ptr::read_volatile(pointer) })
    }

    /// Reads the 16 bytes at `offset`, the first one lowest. They need not be aligned, and are
    /// not read in one piece.
    pub fn read_u128(&self, offset: u64) -> Result<u128, OutOfRange> {
        let pointer = self.pointer::<Unaligned>(offset)?;
        // SAFETY: as for `read_u64`.
        Ok(unsafe { ptr::read_volatile(pointer) }.0)
    }

    /// Writes the aligned 64-bit word at `offset` bytes.
    pub fn write_u64(&self, offset: u64, value: u64) -> Result<(), OutOfRange> {
        let pointer = self.pointer::<u64>(offset)?;
        // SAFETY: as for reading; condition 2 of `new`: no Rust object is changed by it.
        unsafe { ptr::write_volatile(pointer, value) };
        Ok(())
    }

    /// Writes the two 64-bit words at `offset`, a multiple of 8, in either order.
    pub fn write_pair(&self, offset: u64, words: [u64; 2]) -> Result<(), OutOfRange> {
        let pointer = self.pointer::<[u64; 2]>(offset)?;
        // SAFETY: as for `write_u64`.
        unsafe { ptr::write_volatile(pointer, words) };
        Ok(())
    }

    /// Puts an entry of two 64-bit words, of which the first says in bit 0 that it is there, in
    /// place of the one at `offset`; what its first word was. A device that reads meanwhile never
    /// sees half of it: the first word is cleared before, and written last.
    pub fn replace_entry(&self, offset: u64, [low, high]: [u64; 2]) -> Result<u64, OutOfRange> {
        let first = self.pointer::<[u64; 2]>(offset)?.cast::<u64>();
        // SAFETY: as for `read_u64`.
        let before = unsafe { ptr::read_volatile(first) };
        for (index, word) in [(0, 0), (1, high), (0, low)] {
            // SAFETY: `pointer` has checked that both words lie in the range.
            let place = unsafe { first.add(index) };
            // SAFETY: as for `write_u64`.
            unsafe { ptr::write_volatile(place, word) };
        }
        self.flush_line(offset);
        Ok(before)
    }

    /// Reads the aligned 16-bit word at `offset` bytes.
    pub fn read_u16(&self, offset: u64) -> Result<u16, OutOfRange> {
        let pointer = self.pointer::<u16>(offset)?;
        // SAFETY: as for `read_u64`.
        Ok(unsafe { ptr::read_volatile(pointer) })
    }

    /// Writes the aligned 16-bit word at `offset` bytes.
    pub fn write_u16(&self, offset: u64, value: u16) -> Result<(), OutOfRange> {
        let pointer = self.pointer::<u16>(offset)?;
        // SAFETY: as for `write_u64`.
        unsafe { ptr::write_volatile(pointer, value) };
        Ok(())
    }

    /// Reads the byte at `offset`.
    pub fn read_u8(&self, offset: u64) -> Result<u8, OutOfRange> {
        let pointer = self.pointer::<u8>(offset)?;
        // SAFETY: as for `read_u64`.
        Ok(unsafe { ptr::read_volatile(pointer) })
    }

    /// Writes the byte at `offset`.
    pub fn write_u8(&self, offset: u64, value: u8) -> Result<(), OutOfRange> {
        let pointer = self.pointer::<u8>(offset)?;
        // SAFETY: as for `write_u64`.
        unsafe { ptr::write_volatile(pointer, value) };
        Ok(())
    }

    /// Copies `bytes` to `offset`.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), OutOfRange> {
        let start = self.checked(offset, bytes.len() as u64)?;
        // SAFETY: the destination is inside the range, which holds no Rust object (condition
        // 2 of `new`), so it cannot overlap `bytes`.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start as *mut u8, bytes.len()) };
        Ok(())
    }

    /// Writes the cache line at `offset` back to memory, for a reader that does not look into
    /// the CPU's caches.
    pub fn flush_line(&self, offset: u64) {
        const CLFLUSH_LINE: u64 = 64;
        if let Ok(line) = self.checked(offset & !(CLFLUSH_LINE - 1), 1) {
            // SAFETY: CLFLUSH exists on every CPU with the extensions that Bulkhead needs, and
            // changes no memory; the line is mapped.
            unsafe { core::arch::x86_64::_mm_clflush(line as *const u8) };
        }
    }

    /// Writes all of it back to memory.
    pub fn flush(&self) {
        (0..self.range.bytes())
            .step_by(64)
            .for_each(|offset| self.flush_line(offset));
    }

    /// Clears everything.
    pub fn clear(&self) {
        clear_memory(self.range);
    }

    /// Clears up to `bytes` bytes from `offset` on; how many that were.
    pub fn clear_part(&self, offset: u64, bytes: u64) -> u64 {
        let rest = self.range.bytes().saturating_sub(offset);
        let start = self.range.start().checked_add(offset);
        let part = start.and_then(|start| Range::new(start, rest.min(bytes)));
        part.map_or(0, |part| {
            clear_memory(part);
            part.bytes()
        })
    }

    fn pointer<T>(&self, offset: u64) -> Result<*mut T, OutOfRange> {
        let pointer = self.checked(offset, size_of::<T>() as u64)? as *mut T;
        pointer.is_aligned().then_some(pointer).ok_or(OutOfRange)
    }

    fn checked(&self, offset: u64, bytes: u64) -> Result<u64, OutOfRange> {
        inside(self.range, offset, bytes).ok_or(OutOfRange)
    }
}

/// The address of the `bytes` bytes at `offset` of `range`, if they lie in it: in as few steps
/// as there are, for every word of every page table comes through here.
fn inside(range: Range<HostPhysical>, offset: u64, bytes: u64) -> Option<u64> {
    let last = range.bytes().checked_sub(bytes)?;
    // A range does not wrap around.
    (offset <= last).then_some(range.start().as_u64().wrapping_add(offset))
}

/// Clears a range; a function of its own, never inlined, so that a count of instructions
/// can tell clearing from everything else.
#[unsafe(no_mangle)]
#[inline(never)]
fn clear_memory(range: Range<HostPhysical>) {
    let start = range.start().as_u64() as *mut u8;
    // SAFETY: only a `Ram` calls this, with its own range or a part of it: conditions 1 and 2
    // of `Ram::new` make it writable and free of Rust objects.
    unsafe { ptr::write_bytes(start, 0, range.bytes() as usize) };
}

/// The bytes of `range`, for as long as nobody writes them.
///
/// # Safety
/// The range is identity mapped RAM (or firmware tables) that nobody writes during `'a`.
pub unsafe fn bytes<'a>(range: Range<HostPhysical>) -> &'a [u8] {
    let start = range.start().as_u64() as *const u8;
    // SAFETY: the caller vouches for the range; `Range` is neither empty nor wrapping.
    unsafe { core::slice::from_raw_parts(start, range.bytes() as usize) }
}

/// The bytes of `range`, to be written, for good.
///
/// # Safety
/// The range is identity mapped RAM, writable, that nobody else reads, writes or makes a
/// [`Ram`] of.
pub unsafe fn bytes_mut(range: Range<HostPhysical>) -> &'static mut [u8] {
    let start = range.start().as_u64() as *mut u8;
    // SAFETY: the caller vouches for the range; `Range` is neither empty nor wrapping.
    unsafe { core::slice::from_raw_parts_mut(start, range.bytes() as usize) }
}

/// A device's register window.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    range: Range<HostPhysical>,
}

macro_rules! register_access {
    ($read:ident, $write:ident, $type:ty) => {
        /// Reads the register at `offset` bytes; all ones outside the window.
        pub fn $read(self, offset: u64) -> $type {
            match self.pointer::<$type>(offset) {
                // SAFETY: `pointer` has checked bounds and alignment; `new`'s caller vouches
                // for the mapping.
                Some(register) => unsafe { ptr::read_volatile(register) },
                None => <$type>::MAX,
            }
        }

        /// Writes the register at `offset` bytes; nothing happens outside the window.
        pub fn $write(self, offset: u64, value: $type) {
            if let Some(register) = self.pointer::<$type>(offset) {
                // SAFETY: as for reading.
                unsafe { ptr::write_volatile(register, value) };
            }
        }
    };
}

impl Registers {
    /// The register window at `range`.
    ///
    /// # Safety
    /// The range is a device's registers, identity mapped and uncached whenever this is used,
    /// and whatever may be written there cannot break memory safety: a device's DMA is kept
    /// from Bulkhead's memory by the IOMMU, or set up by code that vouches for it.
    pub const unsafe fn new(range: Range<HostPhysical>) -> Self {
        Self { range }
    }

    register_access!(read_u8, write_u8, u8);
    register_access!(read_u16, write_u16, u16);
    register_access!(read_u32, write_u32, u32);
    register_access!(read_u64, write_u64, u64);

    fn pointer<T>(self, offset: u64) -> Option<*mut T> {
        let pointer = inside(self.range, offset, size_of::<T>() as u64)? as *mut T;
        pointer.is_aligned().then_some(pointer)
    }
}
