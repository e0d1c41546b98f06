//! The state save area of the VMCB (APM volume 2, appendix B, table B-2 "VMCB Layout, State
//! Save Area").

use core::mem::offset_of;

use initial_state::{InitialState, Segment};

use crate::EFER_SVME;

/// The guest's state. What VMRUN itself does not load, VMLOAD does: FS, GS, TR, LDTR and the
/// system call registers. What only the guest uses has no name; all of it begins at zero.
#[repr(C)]
#[derive(Clone)]
#[expect(missing_docs, reason = "each register is named as in the manual")]
pub struct SaveArea {
    pub es: Segment,
    pub cs: Segment,
    pub ss: Segment,
    pub ds: Segment,
    pub fs: Segment,
    pub gs: Segment,
    pub gdtr: Segment,
    pub ldtr: Segment,
    pub idtr: Segment,
    pub tr: Segment,
    untouched_0a0: [u8; 0xd0 - 0xa0],
    pub efer: u64,
    untouched_0d8: [u8; 0x148 - 0xd8],
    pub cr4: u64,
    pub cr3: u64,
    pub cr0: u64,
    pub dr7: u64,
    pub dr6: u64,
    pub rflags: u64,
    pub rip: u64,
    untouched_180: [u8; 0x1d8 - 0x180],
    pub rsp: u64,
    untouched_1e0: [u8; 0x1f8 - 0x1e0],
    pub rax: u64,
    untouched_200: [u8; 0x268 - 0x200],
    pub g_pat: u64,
    untouched_270: [u8; 0xc00 - 0x270],
}

const _: () = {
    assert!(size_of::<SaveArea>() == 0xc00);
    assert!(offset_of!(SaveArea, tr) == 0x090);
    assert!(offset_of!(SaveArea, efer) == 0x0d0);
    assert!(offset_of!(SaveArea, cr4) == 0x148);
    assert!(offset_of!(SaveArea, rip) == 0x178);
    assert!(offset_of!(SaveArea, rsp) == 0x1d8);
    assert!(offset_of!(SaveArea, rax) == 0x1f8);
    assert!(offset_of!(SaveArea, g_pat) == 0x268);
};

impl SaveArea {
    /// The area of a guest that begins in `state`, with EFER.SVME set, without which VMRUN
    /// refuses the VMCB (APM volume 2, section 15.5.1 "VMRUN Instruction", "Canonicalization
    /// and Consistency Checks"); a guest never sees it, for root mode answers its RDMSR. RBX
    /// and RSI are not in the VMCB.
    #[must_use]
    pub const fn beginning(state: &InitialState) -> Self {
        Self {
            es: state.es,
            cs: state.cs,
            ss: state.ss,
            ds: state.ds,
            fs: state.fs,
            gs: state.gs,
            gdtr: state.gdtr,
            ldtr: state.ldtr,
            idtr: state.idtr,
            tr: state.tr,
            untouched_0a0: [0; 0xd0 - 0xa0],
            efer: state.efer | EFER_SVME,
            untouched_0d8: [0; 0x148 - 0xd8],
            cr4: state.cr4,
            cr3: state.cr3,
            cr0: state.cr0,
            dr7: state.dr7,
            dr6: state.dr6,
            rflags: state.rflags,
            rip: state.rip,
            untouched_180: [0; 0x1d8 - 0x180],
            rsp: state.rsp,
            untouched_1e0: [0; 0x1f8 - 0x1e0],
            rax: 0,
            untouched_200: [0; 0x268 - 0x200],
            g_pat: state.pat,
            untouched_270: [0; 0xc00 - 0x270],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_has_every_register_and_svme() {
        let state = InitialState::start_up(0x9a);
        let area = SaveArea::beginning(&state);
        assert_eq!(
            (area.cs, area.tr, area.gdtr),
            (state.cs, state.tr, state.gdtr)
        );
        assert_eq!((area.rip, area.rflags), (state.rip, 2));
        assert_eq!((area.dr6, area.dr7), (0xffff_0ff0, 0x400));
        assert_eq!(area.g_pat, state.pat);
        assert_eq!(area.efer, EFER_SVME);
        assert_eq!(area.untouched_0a0, [0; 0x30], "its privilege level too");
    }
}
