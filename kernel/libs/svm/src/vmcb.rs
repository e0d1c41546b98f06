//! The virtual machine control block (APM volume 2, appendix B "VMCB Layout").

use core::mem::offset_of;

use crate::{ControlArea, SaveArea};

/// The page that VMRUN takes: controls, then the guest's state.
#[repr(C, align(4096))]
#[derive(Clone)]
pub struct Vmcb {
    /// 000h.
    pub control: ControlArea,
    /// 400h.
    pub state: SaveArea,
}

const _: () = {
    assert!(size_of::<Vmcb>() == 4096);
    assert!(align_of::<Vmcb>() == 4096);
    assert!(offset_of!(Vmcb, state) == 0x400);
};

impl Vmcb {
    /// All bits clear.
    pub const ZERO: Self = Self {
        control: ControlArea::ZERO,
        state: SaveArea::ZERO,
    };

    /// All bits clear.
    #[must_use]
    pub const fn new() -> Self {
        Self::ZERO
    }
}

impl Default for Vmcb {
    fn default() -> Self {
        Self::new()
    }
}
