//! What a guest exits for while it sets itself up and when it does what no guest should: all
//! that a sealed machine gives up.
//!
//! No path of this file allocates or prints, and only a function level reset waits. A denied
//! access is answered and counted.

use vdev::msr::{Context, ReadOutcome, WriteOutcome};
use vdev::{cpuid, msr};

use super::dispatch::Next;
use super::seat::Occupant;
use super::{Backend, Exception, Exit};
use crate::cpu::local_apic;
use crate::partition::{clock, memory, mmio, ports};

/// The length of CPUID, RDMSR, WRMSR and INVD.
pub const TWO_BYTES: u64 = 2;
/// The length of XSETBV.
const THREE_BYTES: u64 = 3;

/// Answers the exits that `dispatch.rs` does not.
///
/// This is the one way to all of it: `cargo xtask build` takes it for closed, and what can then
/// not be reached is what [`crate::host::given_up`] overwrites, this function first.
#[inline(never)]
pub fn answer<B: Backend>(occupant: &Occupant<B>, backend: &mut B, exit: Exit) -> Next {
    match exit {
        Exit::WriteMsr { msr, value } => write_msr(occupant, backend, msr, value),
        Exit::Cpuid => answer_cpuid(occupant, backend),
        Exit::PortIo(access) => return ports::access(occupant.partition, backend, access),
        Exit::Memory(fault) => return mmio::access(occupant, backend, fault),
        Exit::ReadMsr { msr } => read_msr(occupant, backend, msr),
        Exit::SetExtendedControl { register, value } => {
            set_extended_control(backend, register, value);
        }
        Exit::InvalidateCaches => invalidate_caches(backend),
        Exit::ForbiddenControl => deny(occupant, backend, Exception::GeneralProtection),
        Exit::Privileged => deny(occupant, backend, Exception::InvalidOpcode),
        // Answered in `dispatch.rs`.
        Exit::NonMaskableInterrupt
        | Exit::Init
        | Exit::Settled
        | Exit::Exception(_)
        | Exit::Shutdown
        | Exit::MachineCheck
        | Exit::DeliveryFault
        | Exit::EntryFailure { .. }
        | Exit::Unknown { .. } => {}
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

/// CPUID.
pub fn answer_cpuid<B: Backend>(occupant: &Occupant<B>, backend: &mut B) {
    let cr4 = backend.read_cr4();
    let registers = backend.registers();
    let (leaf, subleaf) = (registers.rax as u32, registers.rcx as u32);
    let native = super::instruction::cpuid;
    let answer = cpuid::answer(leaf, subleaf, native, cr4, &occupant.identity);
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
