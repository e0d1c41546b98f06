//! The registers that say how the processor works: CR0, CR4 and XCR0.
//!
//! Writing is safe to call for values that leave paging, protection and long mode as the
//! runtime has them; the processor refuses most others, which is caught.

use core::arch::asm;

use crate::instruction::halves;
use crate::{Exception, catch};

/// Bits of CR0 (Intel SDM 325384-080, volume 3A, section 2.5 "Control Registers").
pub mod cr0 {
    /// Protection.
    pub const PE: u64 = 1 << 0;
    /// WAIT looks at TS.
    pub const MP: u64 = 1 << 1;
    /// No floating point unit.
    pub const EM: u64 = 1 << 2;
    /// The floating point unit holds another task's state.
    pub const TS: u64 = 1 << 3;
    /// Floating point errors are exceptions.
    pub const NE: u64 = 1 << 5;
    /// Read-only pages are read-only for everybody.
    pub const WP: u64 = 1 << 16;
    /// RFLAGS.AC counts.
    pub const AM: u64 = 1 << 18;
    /// Not write-through.
    pub const NW: u64 = 1 << 29;
    /// No caches.
    pub const CD: u64 = 1 << 30;
    /// Paging.
    pub const PG: u64 = 1 << 31;
}

/// Bits of CR4 (the same section).
pub mod cr4 {
    /// Five-level paging.
    pub const LA57: u64 = 1 << 12;
    /// VMX operation is possible.
    pub const VMXE: u64 = 1 << 13;
    /// Safer mode is possible.
    pub const SMXE: u64 = 1 << 14;
    /// XSAVE and the extended control registers are possible.
    pub const OSXSAVE: u64 = 1 << 18;
}

/// Reads CR0.
#[must_use]
pub fn read_cr0() -> u64 {
    let value;
    // SAFETY: reading changes nothing.
    unsafe { asm!("mov {}, cr0", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Writes CR0.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn write_cr0(value: u64) -> Result<(), Exception> {
    // SAFETY: the callers keep paging, protection and write protection; a fault is caught.
    catch(|| unsafe { asm!("mov cr0, {}", in(reg) value, options(nostack, preserves_flags)) })
}

/// Reads CR4.
#[must_use]
pub fn read_cr4() -> u64 {
    let value;
    // SAFETY: reading changes nothing.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Writes CR4.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn write_cr4(value: u64) -> Result<(), Exception> {
    // SAFETY: the callers keep the paging mode; a fault is caught.
    catch(|| unsafe { asm!("mov cr4, {}", in(reg) value, options(nostack, preserves_flags)) })
}

/// Reads an extended control register; 0 is XCR0.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn read_extended(register: u32) -> Result<u64, Exception> {
    catch(|| {
        let (high, low): (u32, u32);
        // SAFETY: XGETBV changes nothing; its fault is caught.
        unsafe {
            asm!("xgetbv", in("ecx") register, out("edx") high, out("eax") low,
                options(nomem, nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    })
}

/// Writes an extended control register.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn write_extended(register: u32, value: u64) -> Result<(), Exception> {
    let [low, high] = halves(value);
    catch(|| {
        // SAFETY: the runtime uses neither x87, SSE nor what came later; a fault is caught.
        unsafe {
            asm!("xsetbv", in("ecx") register, in("edx") high, in("eax") low,
                options(nostack, preserves_flags));
        }
    })
}
