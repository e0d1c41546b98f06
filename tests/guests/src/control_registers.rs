//! The registers that say how the processor works: CR0, CR4 and XCR0.
//!
//! Writing is safe to call for values that leave paging, protection and long mode as the
//! runtime has them; the processor refuses most others, which is caught.

use core::arch::asm;

use crate::{Exception, catch};

/// Bits of CR4 (Intel SDM 325384-080, volume 3A, section 2.5 "Control Registers").
pub mod cr4 {
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
