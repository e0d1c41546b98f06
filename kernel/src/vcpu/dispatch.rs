//! What to do about an exit: decided here once, for both back ends.
//!
//! No path of this file allocates or prints, and only a function level reset waits. A denied
//! access is answered and counted.

use vdev::icr::{self, Kind, Request as Interrupt};
use vdev::msr::{Context, ReadOutcome, WriteOutcome};
use vdev::{cpuid, msr};

use super::seat::Occupant;
use super::{Backend, Exception, Exit, MemoryFault};
use crate::cpu::core::Request;
use crate::cpu::local_apic;
use crate::partition::{StopCause, clock, memory, mmio, ports};

/// The length of CPUID, RDMSR, WRMSR and INVD.
const TWO_BYTES: u64 = 2;
/// The length of XSETBV.
const THREE_BYTES: u64 = 3;

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
    match exit {
        Exit::WriteMsr { msr, value } => write_msr(occupant, backend, msr, value),
        Exit::Cpuid => answer_cpuid(occupant, backend),
        Exit::PortIo(access) => return ports::access(occupant.partition, backend, access),
        Exit::Memory(fault) => return memory_access(occupant, backend, fault),
        Exit::ReadMsr { msr } => read_msr(occupant, backend, msr),
        // What a kick is for is in the mailbox, which is looked at before each entry.
        Exit::NonMaskableInterrupt | Exit::Init | Exit::Settled => {}
        Exit::SetExtendedControl { register, value } => {
            set_extended_control(backend, register, value);
        }
        Exit::ForbiddenControl => deny(occupant, backend, Exception::GeneralProtection),
        Exit::Privileged => deny(occupant, backend, Exception::InvalidOpcode),
        Exit::InvalidateCaches => invalidate_caches(backend),
        Exit::Shutdown => return Next::Stop(StopCause::TripleFault),
        Exit::EntryFailure { code, why } => {
            return Next::Stop(StopCause::EntryFailure(code, why));
        }
        Exit::MachineCheck => {
            super::instruction::end_machine_check();
            return Next::Stop(StopCause::MachineCheck);
        }
        Exit::DeliveryFault => return Next::Stop(StopCause::DeliveryFault),
        Exit::Unknown { code, name } => return Next::Stop(StopCause::UnknownExit(code, name)),
    }
    Next::Resume
}

fn deny<B: Backend>(occupant: &Occupant<B>, backend: &mut B, exception: Exception) {
    occupant.partition.deny();
    backend.inject(exception);
}

/// INVD would throw away what other cores have written: the guest gets WBINVD instead.
fn invalidate_caches<B: Backend>(backend: &mut B) {
    super::instruction::write_back_caches();
    backend.advance(TWO_BYTES);
}

/// XSETBV, where the hardware leaves it to root mode. What is refused here the CPU would
/// refuse too, or belongs to state that guests are not offered: no denial, an exception.
fn set_extended_control<B: Backend>(backend: &mut B, register: u32, value: u64) {
    let mask = cpuid::xcr0_mask(super::instruction::cpuid);
    if register == 0 && cpuid::is_valid_xcr0(value, mask) {
        super::instruction::write_xcr0(value);
        backend.advance(THREE_BYTES);
    } else {
        backend.inject(Exception::GeneralProtection);
    }
}

fn memory_access<B: Backend>(occupant: &Occupant<B>, backend: &mut B, fault: MemoryFault) -> Next {
    if fault.fetch {
        return Next::Stop(StopCause::ExecutesNothing(fault.address.as_u64()));
    }
    mmio::access(occupant, backend, fault)
}

fn answer_cpuid<B: Backend>(occupant: &Occupant<B>, backend: &mut B) {
    let cr4 = backend.read_cr4();
    let registers = backend.registers();
    let (leaf, subleaf) = (registers.rax as u32, registers.rcx as u32);
    let identity = occupant.identity(cr4);
    let answer = cpuid::answer(leaf, subleaf, super::instruction::cpuid, &identity);
    registers.rax = answer.eax.into();
    registers.rbx = answer.ebx.into();
    registers.rcx = answer.ecx.into();
    registers.rdx = answer.edx.into();
    backend.advance(TWO_BYTES);
}

fn context<B: Backend>(occupant: &Occupant<B>) -> Context {
    Context {
        processor: occupant.partition.processor,
        bootstrap_processor: occupant.index == 0,
    }
}

fn read_msr<B: Backend>(occupant: &Occupant<B>, backend: &mut B, number: u32) {
    let value = match msr::read(number, &context(occupant)) {
        ReadOutcome::Value(value) => value,
        ReadOutcome::Efer => backend.code_state().efer,
        ReadOutcome::Fault => return deny(occupant, backend, Exception::GeneralProtection),
    };
    let registers = backend.registers();
    registers.rax = value & 0xffff_ffff;
    registers.rdx = value >> 32;
    backend.advance(TWO_BYTES);
}

fn write_msr<B: Backend>(occupant: &Occupant<B>, backend: &mut B, number: u32, value: u64) {
    if is_written(occupant, backend, number, value) {
        backend.advance(TWO_BYTES);
    } else {
        deny(occupant, backend, Exception::GeneralProtection);
    }
}

/// Whether the write was accepted.
fn is_written<B: Backend>(
    occupant: &Occupant<B>,
    backend: &mut B,
    number: u32,
    value: u64,
) -> bool {
    let partition = occupant.partition;
    match msr::write(number, value, &context(occupant)) {
        WriteOutcome::Ignore => true,
        WriteOutcome::Icr(value) => send_interrupt(occupant, value),
        WriteOutcome::SetEfer(value) => set_efer(backend, value),
        WriteOutcome::LocalVectorTable { msr, value } => {
            local_apic::write_local_vector(msr, value);
            true
        }
        WriteOutcome::WallClock(address) => {
            memory::write(&partition.memory, address, &clock::wall_clock()).is_ok()
        }
        WriteOutcome::SystemTime(address) => {
            memory::write(&partition.memory, address, &clock::system_time(partition)).is_ok()
        }
        WriteOutcome::Fault => false,
    }
}

/// EFER as the hardware would take it: LMA follows paging, and LME is fixed while it is on.
fn set_efer<B: Backend>(backend: &mut B, value: u64) -> bool {
    const LONG_MODE_ENABLE: u64 = 1 << 8;
    const LONG_MODE_ACTIVE: u64 = 1 << 10;
    const PAGING: u64 = 1 << 31;
    let state = backend.code_state();
    let changed = state.efer ^ value;
    if state.cr0 & PAGING != 0 && changed & LONG_MODE_ENABLE != 0 {
        return false;
    }
    backend.set_efer((value & !LONG_MODE_ACTIVE) | (state.efer & LONG_MODE_ACTIVE));
    true
}

/// Sends what the guest wrote to ICR, to its own cores only and to one after another.
/// Hardware drops an interrupt that it cannot deliver; so is one that is refused here.
fn send_interrupt<B: Backend>(occupant: &Occupant<B>, value: u64) -> bool {
    let partition = occupant.partition;
    match icr::check(value, occupant.core_id(), &partition.core_ids) {
        Ok(interrupt) => deliver(occupant, interrupt),
        Err(_) => partition.deny(),
    }
    true
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
