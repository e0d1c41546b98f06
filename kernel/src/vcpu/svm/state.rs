//! What Bulkhead writes into a VMCB: the controls, the state in which a guest begins, and
//! what is injected.

use svm::{EventInjection, ExitCode, Intercepts, SaveArea, Vmcb};

use super::super::{CodeState, Exception, Registers, Start};
use super::Shared;

/// APM volume 2, section 15.5.1 "VMRUN Instruction": interrupt shadow, bit 0.
const INTERRUPT_SHADOW: u64 = 1 << 0;

/// What makes a guest exit.
///
/// Not intercepted, on purpose: external interrupts (the exitless recipe), HLT, PAUSE,
/// RDTSC, INVLPG, control and debug registers, ICEBP, WBINVD, and XSETBV, whose register root mode
/// does not use and whose value the CPU checks.
const INTERCEPTS: Intercepts = Intercepts::of(&[
    ExitCode::DEBUG,
    ExitCode::ALIGNMENT_CHECK,
    ExitCode::MACHINE_CHECK,
    ExitCode::NMI,
    ExitCode::INIT,
    ExitCode::CPUID,
    ExitCode::RSM,
    ExitCode::RDPMC,
    ExitCode::INVD,
    ExitCode::INVLPGA,
    ExitCode::IOIO,
    ExitCode::MSR,
    ExitCode::SHUTDOWN,
    ExitCode::VMRUN,
    ExitCode::VMMCALL,
    ExitCode::VMLOAD,
    ExitCode::VMSAVE,
    ExitCode::STGI,
    ExitCode::CLGI,
    ExitCode::SKINIT,
    ExitCode::MONITOR,
    ExitCode::MWAIT,
    ExitCode::MWAIT_CONDITIONAL,
]);

/// Fills in the controls: deny first, then what `vdev` opened in the shared maps.
pub fn configure(vmcb: &mut Vmcb, shared: &Shared) {
    let control = &mut vmcb.control;
    control.intercepts = INTERCEPTS;
    control.io_permission_map = (&raw const *shared.permissions.io) as u64;
    control.msr_permission_map = (&raw const *shared.permissions.msr) as u64;
    control.address_space_id = shared.address_space.into();
    control.nested_paging = svm::NESTED_PAGING_ENABLE;
    control.nested_cr3 = shared.second_stage.as_u64();
}

/// Puts the virtual CPU into the state in which it begins.
pub fn reset(vmcb: &mut Vmcb, registers: &mut Registers, start: Start) {
    let control = &mut vmcb.control;
    control.intercepts.remove(ExitCode::IRET);
    control.event_injection = EventInjection::NONE;
    control.interrupt_shadow = 0;
    control.tlb_control = svm::TlbControl::FLUSH_ALL;
    let state = start.state();
    vmcb.state = SaveArea::beginning(&state);
    registers.rbx = state.rbx;
    registers.rsi = state.rsi;
    registers.rsp = state.rsp;
}

/// What the last entry was told is done: it must not be told again.
pub fn settle_entry(vmcb: &mut Vmcb) {
    vmcb.control.event_injection = EventInjection::NONE;
    vmcb.control.tlb_control = svm::TlbControl::NONE;
}

/// Where the next instruction is and how it is decoded.
pub fn code_state(vmcb: &Vmcb) -> CodeState {
    let state = &vmcb.state;
    CodeState {
        rip: state.rip,
        rflags: state.rflags,
        code_base: state.cs.base,
        data_base: state.es.base,
        code_long: state.cs.is_long(),
        code_default_32: state.cs.is_default_32(),
        cr0: state.cr0,
        cr3: state.cr3,
        cr4: state.cr4,
        efer: state.efer & !svm::EFER_SVME,
    }
}

/// Goes on behind the instruction: where the CPU says, if it can, else `bytes` further.
/// A CPU that says nothing cannot be asked about prefixes either: see CAVEATS.md.
pub fn advance(vmcb: &mut Vmcb, bytes: u64) {
    let next = match vmcb.control.next_rip {
        0 => vmcb.state.rip.wrapping_add(bytes),
        next => next,
    };
    jump(vmcb, next);
}

/// Goes on at `rip`; the shadow of a STI or MOV SS before the instruction ends with it.
pub fn jump(vmcb: &mut Vmcb, rip: u64) {
    vmcb.state.rip = rip;
    vmcb.control.interrupt_shadow &= !INTERRUPT_SHADOW;
}

/// Lets the guest begin with an exception.
pub fn inject(vmcb: &mut Vmcb, exception: Exception) {
    let error_code = exception.error_code(vmcb.state.cr0);
    vmcb.control.event_injection = EventInjection::exception(exception.vector(), error_code);
}

/// Lets the guest begin with an NMI and watches for its end.
pub fn inject_nmi(vmcb: &mut Vmcb) {
    vmcb.control.event_injection = EventInjection::NMI;
    vmcb.control.intercepts.insert(ExitCode::IRET);
}

/// No NMI is being handled any more.
pub fn stop_watching_nmi(vmcb: &mut Vmcb) {
    vmcb.control.intercepts.remove(ExitCode::IRET);
}
