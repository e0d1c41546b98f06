//! VMXON and VMCS regions. Only a VMCS that is current on the core that runs can be read or
//! written: [`Current`] is the proof that one is.

use core::arch::asm;

use addr::HostPhysical;
use vmx::{Capabilities, Vmcs};

use super::features;
use crate::cpu::core::OutOfFrames;
use crate::host::frames;

/// A frame that begins with the revision that the CPU wants.
fn frame(capabilities: &Capabilities) -> Result<HostPhysical, OutOfFrames> {
    let frame = frames::allocate(1).ok_or(OutOfFrames)?;
    let revision = capabilities.revision().into();
    frame.write_u64(0, revision).map_err(|_| OutOfFrames)?;
    Ok(frame.range().start())
}

/// Enters VMX operation on this core, for good.
///
/// # Errors
/// No frame is left for the VMXON region.
///
/// # Safety
/// CR0, CR4 and IA32_FEATURE_CONTROL are as VMX operation wants them, and this core is not in
/// VMX operation.
pub unsafe fn enter_vmx_operation() -> Result<(), OutOfFrames> {
    let region = frame(&features::capabilities())?.as_u64();
    // SAFETY: the caller vouches for the core; the region is taken for this and never used for
    // anything else.
    unsafe { asm!("vmxon [{}]", in(reg) &raw const region, options(nostack)) };
    Ok(())
}

/// A VMCS region, which one virtual CPU has for good.
pub struct Region {
    address: HostPhysical,
    /// Whether it is the current VMCS of its core. A core has one virtual CPU, for good.
    is_current: bool,
    /// Whether it has been entered since it was cleared.
    is_launched: bool,
}

impl Region {
    /// A region that no core has.
    ///
    /// # Errors
    /// No frame is left.
    pub fn new() -> Result<Self, OutOfFrames> {
        Ok(Self {
            address: frame(&features::capabilities())?,
            is_current: false,
            is_launched: false,
        })
    }

    /// Clears the VMCS, with all that the CPU keeps of it, and makes it current on this core.
    pub fn reload(&mut self) -> Current<'_> {
        self.is_current = false;
        self.is_launched = false;
        let region = self.address.as_u64();
        // SAFETY: the core that calls is in VMX operation; the region is a frame of its own.
        unsafe { asm!("vmclear [{}]", in(reg) &raw const region, options(nostack)) };
        self.current()
    }

    /// The VMCS, current on this core.
    pub fn current(&mut self) -> Current<'_> {
        if !self.is_current {
            let region = self.address.as_u64();
            // SAFETY: as for VMCLEAR; the region begins with the CPU's revision.
            unsafe { asm!("vmptrld [{}]", in(reg) &raw const region, options(nostack)) };
            self.is_current = true;
        }
        Current { _region: self }
    }

    /// Whether VMRESUME must be used and not VMLAUNCH; from now on it must.
    pub fn is_launched(&mut self) -> bool {
        core::mem::replace(&mut self.is_launched, true)
    }
}

/// A VMCS that is current on the core that runs.
pub struct Current<'a> {
    _region: &'a mut Region,
}

impl Vmcs for Current<'_> {
    fn read_raw(&self, encoding: u32) -> u64 {
        let (mut value, field) = (0_u64, u64::from(encoding));
        // SAFETY: a VMCS is current; a field that the CPU has not leaves `value` as it is.
        unsafe {
            asm!("vmread {}, {}", inout(reg) value, in(reg) field, options(nomem, nostack));
        };
        value
    }

    fn write_raw(&mut self, encoding: u32, value: u64) {
        let field = u64::from(encoding);
        // SAFETY: a VMCS is current. What the fields mean for root mode's memory is checked by
        // `state.rs`, which alone writes host state and addresses.
        unsafe { asm!("vmwrite {}, {}", in(reg) field, in(reg) value, options(nostack)) };
    }
}
