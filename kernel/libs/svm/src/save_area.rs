//! The state save area of the VMCB (APM volume 2, appendix B, table B-2 "VMCB Layout, State
//! Save Area").

use core::mem::offset_of;

use initial_state::{InitialState, Segment};

use crate::EFER_SVME;

/// The guest's state. What VMRUN itself does not load, VMLOAD does: FS, GS, TR, LDTR and the
/// system call registers.
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
    pub(crate) reserved_0a0: [u8; 0xcb - 0xa0],
    pub cpl: u8,
    pub(crate) reserved_0cc: [u8; 4],
    pub efer: u64,
    pub(crate) reserved_0d8: [u8; 0x148 - 0xd8],
    pub cr4: u64,
    pub cr3: u64,
    pub cr0: u64,
    pub dr7: u64,
    pub dr6: u64,
    pub rflags: u64,
    pub rip: u64,
    pub(crate) reserved_180: [u8; 0x1d8 - 0x180],
    pub rsp: u64,
    pub s_cet: u64,
    pub ssp: u64,
    pub interrupt_ssp_table: u64,
    pub rax: u64,
    pub star: u64,
    pub lstar: u64,
    pub cstar: u64,
    pub sfmask: u64,
    pub kernel_gs_base: u64,
    pub sysenter_cs: u64,
    pub sysenter_esp: u64,
    pub sysenter_eip: u64,
    pub cr2: u64,
    pub(crate) reserved_248: [u8; 0x268 - 0x248],
    pub g_pat: u64,
    pub debug_control: u64,
    pub last_branch_from: u64,
    pub last_branch_to: u64,
    pub last_exception_from: u64,
    pub last_exception_to: u64,
    pub debug_extension_configuration: u64,
    pub(crate) reserved_2a0: [u8; 0x2e0 - 0x2a0],
    pub spec_ctrl: u64,
    pub(crate) reserved_2e8: [u8; 0xc00 - 0x2e8],
}

const _: () = {
    assert!(size_of::<SaveArea>() == 0xc00);
    assert!(offset_of!(SaveArea, tr) == 0x090);
    assert!(offset_of!(SaveArea, cpl) == 0x0cb);
    assert!(offset_of!(SaveArea, efer) == 0x0d0);
    assert!(offset_of!(SaveArea, cr4) == 0x148);
    assert!(offset_of!(SaveArea, rip) == 0x178);
    assert!(offset_of!(SaveArea, rsp) == 0x1d8);
    assert!(offset_of!(SaveArea, rax) == 0x1f8);
    assert!(offset_of!(SaveArea, kernel_gs_base) == 0x220);
    assert!(offset_of!(SaveArea, cr2) == 0x240);
    assert!(offset_of!(SaveArea, g_pat) == 0x268);
    assert!(offset_of!(SaveArea, last_exception_to) == 0x290);
    assert!(offset_of!(SaveArea, spec_ctrl) == 0x2e0);
};

impl SaveArea {
    /// All bits clear.
    pub const ZERO: Self = Self {
        es: Segment::ZERO,
        cs: Segment::ZERO,
        ss: Segment::ZERO,
        ds: Segment::ZERO,
        fs: Segment::ZERO,
        gs: Segment::ZERO,
        gdtr: Segment::ZERO,
        ldtr: Segment::ZERO,
        idtr: Segment::ZERO,
        tr: Segment::ZERO,
        reserved_0a0: [0; 0xcb - 0xa0],
        cpl: 0,
        reserved_0cc: [0; 4],
        efer: 0,
        reserved_0d8: [0; 0x148 - 0xd8],
        cr4: 0,
        cr3: 0,
        cr0: 0,
        dr7: 0,
        dr6: 0,
        rflags: 0,
        rip: 0,
        reserved_180: [0; 0x1d8 - 0x180],
        rsp: 0,
        s_cet: 0,
        ssp: 0,
        interrupt_ssp_table: 0,
        rax: 0,
        star: 0,
        lstar: 0,
        cstar: 0,
        sfmask: 0,
        kernel_gs_base: 0,
        sysenter_cs: 0,
        sysenter_esp: 0,
        sysenter_eip: 0,
        cr2: 0,
        reserved_248: [0; 0x268 - 0x248],
        g_pat: 0,
        debug_control: 0,
        last_branch_from: 0,
        last_branch_to: 0,
        last_exception_from: 0,
        last_exception_to: 0,
        debug_extension_configuration: 0,
        reserved_2a0: [0; 0x2e0 - 0x2a0],
        spec_ctrl: 0,
        reserved_2e8: [0; 0xc00 - 0x2e8],
    };

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
            idtr: state.idtr,
            ldtr: state.ldtr,
            tr: state.tr,
            cr0: state.cr0,
            cr3: state.cr3,
            cr4: state.cr4,
            efer: state.efer | EFER_SVME,
            rip: state.rip,
            rflags: state.rflags,
            rsp: state.rsp,
            dr6: state.dr6,
            dr7: state.dr7,
            g_pat: state.pat,
            ..Self::ZERO
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
        assert_eq!(area.cpl, 0);
    }
}
