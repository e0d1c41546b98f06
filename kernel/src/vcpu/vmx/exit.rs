//! From the exit reason and qualification to the neutral [`Exit`] (SDM, appendix C "VMX Basic
//! Exit Reasons").

use addr::GuestPhysical;
use vmx::{
    BLOCKING_BY_NMI, EventInjection, ExitReason, InstructionError, Vmcs, exit_qualification, field,
};

use super::super::{Exception, Exit, PortAccess, Registers};
use super::enter::Entered;
use super::region::Current;
use super::state;

const DEBUG: u8 = Exception::Debug.vector();
const ALIGNMENT_CHECK: u8 = Exception::AlignmentCheck.vector();

/// Why the guest stopped, and the length of the instruction that made it, if one did.
pub fn decode(
    vmcs: &mut Current<'_>,
    registers: &Registers,
    entered: Entered,
) -> (Exit, Option<u32>) {
    if entered == Entered::Failed {
        let error = InstructionError(vmcs.read(field::INSTRUCTION_ERROR));
        let (code, why) = (error.0.into(), error.name());
        return (Exit::EntryFailure { code, why }, None);
    }
    let reason = ExitReason(vmcs.read(field::EXIT_REASON));
    if reason.is_entry_failure() {
        return (entry_failure(reason), None);
    }
    let exit = match reason {
        ExitReason::CPUID => Exit::Cpuid,
        ExitReason::WRMSR => write_msr(registers),
        ExitReason::RDMSR => Exit::ReadMsr {
            msr: registers.rcx as u32,
        },
        ExitReason::IO_INSTRUCTION => Exit::PortIo(port_access(vmcs)),
        ExitReason::XSETBV => Exit::SetExtendedControl {
            register: registers.rcx as u32,
            value: edx_eax(registers),
        },
        ExitReason::INVD => Exit::InvalidateCaches,
        other => return (without_length(vmcs, other), None),
    };
    (exit, Some(vmcs.read(field::EXIT_INSTRUCTION_LENGTH)))
}

/// Exits that are no instruction's, or whose instruction is not passed over.
fn without_length(vmcs: &mut Current<'_>, reason: ExitReason) -> Exit {
    match reason {
        ExitReason::INIT_SIGNAL => Exit::Init,
        ExitReason::EPT_VIOLATION => ept_violation(vmcs),
        ExitReason::CONTROL_REGISTER_ACCESS => control_register_access(vmcs),
        ExitReason::EXCEPTION_OR_NMI => exception(vmcs),
        ExitReason::TRIPLE_FAULT => Exit::Shutdown,
        ExitReason::VMCALL
        | ExitReason::VMCLEAR
        | ExitReason::VMLAUNCH
        | ExitReason::VMPTRLD
        | ExitReason::VMPTRST
        | ExitReason::VMREAD
        | ExitReason::VMRESUME
        | ExitReason::VMWRITE
        | ExitReason::VMXOFF
        | ExitReason::VMXON
        | ExitReason::INVEPT
        | ExitReason::INVVPID
        | ExitReason::VMFUNC
        | ExitReason::GETSEC
        | ExitReason::MONITOR
        | ExitReason::MWAIT
        | ExitReason::RDPMC
        | ExitReason::RSM
        | ExitReason::SEAMCALL
        | ExitReason::TDCALL => Exit::Privileged,
        _ => unknown(reason),
    }
}

const fn unknown(reason: ExitReason) -> Exit {
    Exit::Unknown {
        code: reason.0 as u64,
        name: reason.name(),
    }
}

/// The CPU refused the guest's state, or had a machine check on the way.
fn entry_failure(reason: ExitReason) -> Exit {
    if reason.basic() == ExitReason::MACHINE_CHECK_DURING_ENTRY {
        return Exit::MachineCheck;
    }
    Exit::EntryFailure {
        code: reason.0.into(),
        why: reason.name(),
    }
}

fn write_msr(registers: &Registers) -> Exit {
    Exit::WriteMsr {
        msr: registers.rcx as u32,
        value: edx_eax(registers),
    }
}

fn edx_eax(registers: &Registers) -> u64 {
    (registers.rdx << 32) | (registers.rax & 0xffff_ffff)
}

fn port_access(vmcs: &Current<'_>) -> PortAccess {
    let length: u64 = vmcs.read(field::EXIT_INSTRUCTION_LENGTH).into();
    let qualification = vmcs.read(field::EXIT_QUALIFICATION);
    exit_qualification::port_access(qualification, state::next_rip(vmcs, length))
}

/// Second-stage tables do not change while a guest runs: what faulted in an event's delivery
/// will again.
fn ept_violation(vmcs: &mut Current<'_>) -> Exit {
    let qualification = vmcs.read(field::EXIT_QUALIFICATION);
    if EventInjection::is_valid(vmcs.read(field::IDT_VECTORING_INFORMATION)) {
        return Exit::DeliveryFault;
    }
    if exit_qualification::has_unblocked_nmi(qualification) {
        let blocking = vmcs.read(field::GUEST_INTERRUPTIBILITY) | BLOCKING_BY_NMI;
        vmcs.write(field::GUEST_INTERRUPTIBILITY, blocking);
    }
    let address = GuestPhysical::new(vmcs.read(field::GUEST_PHYSICAL_ADDRESS));
    Exit::Memory(exit_qualification::memory_fault(qualification, address))
}

/// A guest wants another value in a bit that VMX operation fixes. CR0.NE it gets, in the read
/// shadow: the instruction, repeated, then does not exit. Those of CR4 it does not get.
fn control_register_access(vmcs: &mut Current<'_>) -> Exit {
    let qualification = vmcs.read(field::EXIT_QUALIFICATION);
    if exit_qualification::control_register(qualification) != 0 {
        return Exit::ForbiddenControl;
    }
    let shadow = vmcs.read(field::CR0_READ_SHADOW) ^ vmx::CR0_HOST_OWNED;
    vmcs.write(field::CR0_READ_SHADOW, shadow);
    Exit::Settled
}

/// An exception of the exception bitmap. Those that the guest gets are benign: what was being
/// delivered when they came does not matter (SDM, section 31.7.1.1 "Reflecting Exceptions to
/// Guest Software").
fn exception(vmcs: &mut Current<'_>) -> Exit {
    let information = vmcs.read(field::EXIT_INTERRUPTION_INFORMATION);
    match EventInjection::exception_vector(information) {
        Some(DEBUG) => {
            if EventInjection::is_by_int1(information) {
                let length = vmcs.read(field::EXIT_INSTRUCTION_LENGTH);
                state::advance(vmcs, length.into());
            }
            state::settle_debug_exception(vmcs);
            Exit::Exception(Exception::Debug)
        }
        Some(ALIGNMENT_CHECK) => Exit::Exception(Exception::AlignmentCheck),
        Some(state::MACHINE_CHECK) => Exit::MachineCheck,
        _ => unknown(ExitReason::EXCEPTION_OR_NMI),
    }
}
