//! What to do about an exit: decided here once, for both back ends.
//!
//! What stays in a sealed machine is in this file: a guest's end, kicks, interrupts from one of its
//! cores to another, and exceptions that must not be left to the CPU. All else is behind
//! [`answer::answer`].
//!
//! Nothing here allocates, prints or waits.

use vdev::icr::{self, Kind, Request as Interrupt};
use vdev::msr::X2APIC_ICR;

use super::seat::Occupant;
use super::{Backend, Exit, answer};
use crate::cpu::core::Request;
use crate::cpu::local_apic;
use crate::partition::StopCause;

/// How the virtual CPU goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Back into the guest.
    Resume,
    /// The whole partition stops.
    Stop(StopCause),
}

/// Answers `exit`.
pub fn handle<B: Backend>(occupant: &Occupant<B>, backend: &mut B, exit: Exit) -> Next {
    let cause = match exit {
        Exit::WriteMsr {
            msr: X2APIC_ICR,
            value,
        } => {
            send_interrupt(occupant, value);
            backend.advance(answer::TWO_BYTES);
            return Next::Resume;
        }
        // What a kick is for is in the mailbox, which is looked at before each entry.
        Exit::NonMaskableInterrupt | Exit::Init | Exit::Settled => return Next::Resume,
        // Left to the CPU, their delivery may raise them again without an end, and neither a kick nor
        // anything else gets in between (CVE-2015-5307, CVE-2015-8104). As an exit each time round
        // it comes by the mailbox.
        Exit::Exception(exception) => {
            backend.inject(exception);
            return Next::Resume;
        }
        // Any program may execute it: where it always exits, it is answered for ever.
        Exit::Cpuid if B::CPUID_ALWAYS_EXITS => {
            answer::answer_cpuid(occupant, backend);
            return Next::Resume;
        }
        Exit::Shutdown => StopCause::TripleFault,
        Exit::EntryFailure { code, why } => StopCause::EntryFailure(code, why),
        Exit::MachineCheck => {
            super::instruction::end_machine_check();
            StopCause::MachineCheck
        }
        Exit::Memory(fault) if fault.fetch => StopCause::ExecutesNothing(fault.address.as_u64()),
        Exit::DeliveryFault => StopCause::DeliveryFault,
        Exit::Unknown { code, name } => StopCause::UnknownExit(code, name),
        other => return answer::answer(occupant, backend, other),
    };
    Next::Stop(cause)
}

/// Sends what the guest wrote to ICR, to its own cores only and to one after another.
/// Hardware drops an interrupt that it cannot deliver; so is one that is refused here.
fn send_interrupt<B: Backend>(occupant: &Occupant<B>, value: u64) {
    let partition = occupant.partition;
    match icr::check(value, occupant.core_id(), &partition.core_ids) {
        Ok(interrupt) => deliver(occupant, interrupt),
        Err(_) => partition.deny(),
    }
}

fn deliver<B: Backend>(occupant: &Occupant<B>, interrupt: Interrupt) {
    let cores = &occupant.partition.cores;
    for core in interrupt
        .targets
        .iter()
        .filter_map(|index| cores.get(index))
    {
        match interrupt.kind {
            Kind::Fixed { .. } => local_apic::send_checked(icr::unicast(interrupt.kind, core.id)),
            Kind::Nmi => core.give_nmi(),
            Kind::Init => core.ask(Request::INIT),
            Kind::StartUp { vector } => {
                core.mailbox.set_start_up_page(vector);
                core.ask(Request::START_UP);
            }
        }
    }
}
