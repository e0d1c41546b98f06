//! The virtual machine control block (APM volume 2, appendix B "VMCB Layout").

use core::mem::offset_of;

use initial_state::InitialState;

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
    /// Without controls, which VMRUN refuses, and in the state that a processor has after INIT.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            control: ControlArea::ZERO,
            state: SaveArea::beginning(&InitialState::after_init()),
        }
    }
}

impl Default for Vmcb {
    fn default() -> Self {
        Self::new()
    }
}
