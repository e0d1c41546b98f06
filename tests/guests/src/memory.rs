//! Guest-physical memory and device registers, by address.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::instruction::reload_paging;

/// One past the addresses that are mapped to themselves.
const IDENTITY_END: u64 = 1 << 32;
/// The size of the page behind the window.
const WINDOW_BYTES: u64 = 2 << 20;
/// A present and writable leaf of level 2.
const LEAF: u64 = 0x83;

unsafe extern "C" {
    static image_start: u8;
    static image_end: u8;
    /// The first entry of the level 2 table for the gigabyte from 4 GiB on.
    static window: AtomicU64;
}

/// Some guest-physical addresses that hold no Rust object.
#[derive(Debug, Clone, Copy)]
pub struct Region {
    base: usize,
    bytes: usize,
}

/// A number that memory is read and written in, by one plain move each: the compiler would
/// fold a volatile read and write into one instruction, as no driver of a real kernel does.
pub trait Unit: Copy {
    /// Reads the number at `address`.
    ///
    /// # Safety
    /// The address is mapped, and reading there breaks nothing.
    unsafe fn load(address: usize) -> Self;

    /// Writes the number at `address`.
    ///
    /// # Safety
    /// The address is mapped, and no Rust object is there.
    unsafe fn store(address: usize, value: Self);
}

macro_rules! unit {
    ($type:ty, $class:ident, $size:literal, $modifier:literal) => {
        impl Unit for $type {
            unsafe fn load(address: usize) -> Self {
                let value;
                // SAFETY: the caller vouches for the address.
                unsafe {
                    asm!(concat!("mov {0", $modifier, "}, ", $size, " ptr [{1}]"),
                        out($class) value, in(reg) address, options(nostack, preserves_flags))
                };
                value
            }

            unsafe fn store(address: usize, value: Self) {
                // SAFETY: the caller vouches for the address.
                unsafe {
                    asm!(concat!("mov ", $size, " ptr [{1}], {0", $modifier, "}"),
                        in($class) value, in(reg) address, options(nostack, preserves_flags))
                };
            }
        }
    };
}

unit!(u8, reg_byte, "byte", "");
unit!(u16, reg, "word", ":x");
unit!(u32, reg, "dword", ":e");
unit!(u64, reg, "qword", ":r");

impl Region {
    /// The `bytes` bytes from `address` on; `None` if the guest's own image is there, or if
    /// they cross 4 GiB or, above that, 2 MiB.
    ///
    /// There is one window for what lies above 4 GiB: a region there ends the one before.
    #[must_use]
    pub fn new(address: u64, bytes: u64) -> Option<Self> {
        let end = address.checked_add(bytes)?;
        let (own_start, own_end) = image();
        if address < own_end && end > own_start {
            return None;
        }
        let base = match end {
            ..=IDENTITY_END => address,
            _ => open_window(address, bytes)?,
        };
        Some(Self {
            base: usize::try_from(base).ok()?,
            bytes: usize::try_from(bytes).ok()?,
        })
    }

    /// The number at `offset`; all ones outside the region.
    #[must_use]
    pub fn read<T: Unit + From<u8> + core::ops::Not<Output = T>>(&self, offset: u64) -> T {
        let Some(address) = self.address::<T>(offset) else {
            return !T::from(0);
        };
        // SAFETY: the address is mapped, in a region without Rust objects, and aligned as far
        // as the processor cares.
        unsafe { T::load(address) }
    }

    /// Writes the number at `offset`; nothing outside the region.
    pub fn write<T: Unit>(&self, offset: u64, value: T) {
        if let Some(address) = self.address::<T>(offset) {
            // SAFETY: the address is mapped, in a region without Rust objects.
            unsafe { T::store(address, value) };
        }
    }

    /// Sets all of the region to zero.
    pub fn clear(&self) {
        let bytes = u64::try_from(self.bytes).unwrap_or(0);
        (0..bytes).for_each(|offset| self.write(offset, 0_u8));
    }

    /// The address of a number at `offset`, if it lies in the region and is aligned.
    fn address<T>(&self, offset: u64) -> Option<usize> {
        let offset = usize::try_from(offset).ok()?;
        let end = offset.checked_add(size_of::<T>())?;
        let address = self.base.checked_add(offset)?;
        (end <= self.bytes && address.is_multiple_of(align_of::<T>())).then_some(address)
    }
}

/// Where the guest's own image starts and ends.
pub(crate) fn image() -> (u64, u64) {
    let [start, end] = [&raw const image_start, &raw const image_end]
        .map(|symbol| u64::try_from(symbol.expose_provenance()).unwrap_or(u64::MAX));
    (start, end)
}

/// Maps the page that holds the region behind the window; the answer is where it is then.
fn open_window(address: u64, bytes: u64) -> Option<u64> {
    let offset = address.checked_rem(WINDOW_BYTES)?;
    if address < IDENTITY_END || offset.checked_add(bytes)? > WINDOW_BYTES {
        return None;
    }
    // SAFETY: the symbol is the first entry of a page table, which only this function writes.
    let entry = unsafe { &window };
    entry.store(address.wrapping_sub(offset) | LEAF, Ordering::Release);
    reload_paging();
    IDENTITY_END.checked_add(offset)
}
