//! From the VMCB's exit code and information to the neutral [`Exit`] (APM volume 2,
//! appendix C "SVM Intercept Exit Codes").

use svm::{ExitCode, Vmcb, memory_fault, port_access};

use super::super::{Exception, Exit, Registers};

/// Why the guest of `vmcb` stopped.
pub fn decode(vmcb: &Vmcb, registers: &Registers) -> Exit {
    let control = &vmcb.control;
    let delivers = control.exit_interrupt_info.is_valid();
    let code = ExitCode(control.exit_code);
    if code.is_invalid() {
        return Exit::EntryFailure {
            code: control.exit_code,
            why: "the VMCB is not consistent",
        };
    }
    match code {
        ExitCode::CPUID => Exit::Cpuid,
        ExitCode::MSR => msr(control.exit_info_1, registers),
        ExitCode::IOIO => Exit::PortIo(port_access(control.exit_info_1, control.exit_info_2)),
        // Second-stage tables do not change while a guest runs: what faulted will again.
        ExitCode::NPF if delivers => Exit::DeliveryFault,
        ExitCode::NPF => Exit::Memory(memory_fault(control.exit_info_1, control.exit_info_2)),
        ExitCode::NMI => Exit::NonMaskableInterrupt,
        ExitCode::IRET => Exit::Settled,
        // DR6 and DR7 are as the guest's handler is to find them (APM volume 2, section 15.12.2
        // "#DB (Debug)").
        ExitCode::DEBUG => Exit::Exception(Exception::Debug),
        ExitCode::ALIGNMENT_CHECK => Exit::Exception(Exception::AlignmentCheck),
        ExitCode::MACHINE_CHECK => Exit::MachineCheck,
        ExitCode::SHUTDOWN => Exit::Shutdown,
        ExitCode::INVD => Exit::InvalidateCaches,
        ExitCode::VMRUN
        | ExitCode::VMMCALL
        | ExitCode::VMLOAD
        | ExitCode::VMSAVE
        | ExitCode::STGI
        | ExitCode::CLGI
        | ExitCode::SKINIT
        | ExitCode::INVLPGA
        | ExitCode::MONITOR
        | ExitCode::MWAIT
        | ExitCode::MWAIT_CONDITIONAL
        | ExitCode::RDPMC
        | ExitCode::RSM => Exit::Privileged,
        _ => Exit::Unknown {
            code: control.exit_code,
            // Nothing else is intercepted.
            name: "unexpected",
        },
    }
}

/// RDMSR or WRMSR (APM volume 2, section 15.11 "MSR Intercepts": EXITINFO1 is 1 for a write).
fn msr(information: u64, registers: &Registers) -> Exit {
    let msr = registers.rcx as u32;
    if information & 1 == 0 {
        return Exit::ReadMsr { msr };
    }
    let low = registers.rax & 0xffff_ffff;
    Exit::WriteMsr {
        msr,
        value: (registers.rdx << 32) | low,
    }
}
