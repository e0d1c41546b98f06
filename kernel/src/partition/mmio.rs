//! A guest's access to memory that its second-stage table does not give it: writes to
//! virtual configuration space and to the registers of synthetic functions, accesses to the
//! pages that hold MSI-X tables and to the I/O APIC, and denials.
//!
//! All of it is set-up: nothing here is on the path of a device's doorbell or interrupt.

use addr::{GuestPhysical, PageSize, Range};
use guest_image::layout;
use vdev::exit_reason::ExitReason;
use vdev::io_apic::DATA;
use vdev::mov::{self, CodeSize, Instruction, Operation, Source};

use super::Partition;
use super::devices::{Effect, Function, Slot, Synthetic, slot};
use crate::vcpu::dispatch::Next;
use crate::vcpu::seat::Occupant;
use crate::vcpu::{Backend, CodeState, Exception, MemoryFault, instruction};

/// The I/O APIC's registers are read and written whole, in bytes.
const IO_APIC_ACCESS: u8 = 4;

/// Answers an access. What cannot be decoded gets `#GP`.
pub fn access<B: Backend>(occupant: &Occupant<B>, backend: &mut B, fault: MemoryFault) -> Next {
    let partition = occupant.partition;
    let state = backend.code_state();
    let decoded = if fault.during_walk {
        None
    } else {
        decode(partition, &state)
    };
    let Some(decoded) = decoded else {
        partition.deny();
        backend.inject(Exception::GeneralProtection);
        return Next::Resume;
    };
    match decoded.operation {
        Operation::Store { source, bytes } => {
            let value = match source {
                Source::Immediate(value) => value,
                Source::Register(register) => {
                    register.value(backend.registers().read(register.number))
                }
            };
            let reason = write(partition, fault.address, bytes, value);
            occupant.count_instead(ExitReason::NestedPageFault, reason);
        }
        Operation::Load {
            register,
            bytes,
            extension,
        } => {
            let value = extension.extend(read(partition, fault.address, bytes), bytes);
            let registers = backend.registers();
            let full = registers.read(register.number);
            registers.write(register.number, register.loaded(full, value));
        }
    }
    backend.advance(decoded.length.into());
    Next::Resume
}

fn decode(partition: &Partition, state: &CodeState) -> Option<Instruction> {
    let size = match (state.code_long, state.code_default_32) {
        (true, _) => CodeSize::Bits64,
        (false, true) => CodeSize::Bits32,
        (false, false) => CodeSize::Bits16,
    };
    let bytes = instruction::fetch(&partition.memory, state)?;
    mov::decode(bytes, size)
}

/// Writes, and says how the exit is counted.
fn write(partition: &Partition, at: GuestPhysical, bytes: u8, value: u64) -> ExitReason {
    if let Some((place, offset)) = config_space(partition, at) {
        write_config(partition, place, offset, bytes, value);
        return ExitReason::ConfigSpaceWrite;
    }
    if let Some(offset) = io_apic(at) {
        write_io_apic(partition, offset, bytes, value);
        return ExitReason::NestedPageFault;
    }
    let answered = with_msix(partition, at, |function, offset| {
        function.write_msix(partition, offset, bytes, value)
    });
    if let Some(effect) = answered {
        count(partition, effect);
        return ExitReason::MsixWrite;
    }
    let answered = with_registers(partition, at, |function, offset| {
        function.write(partition, offset, bytes, value)
    });
    count(partition, answered.unwrap_or(Effect::Denied));
    ExitReason::NestedPageFault
}

fn read(partition: &Partition, at: GuestPhysical, bytes: u8) -> u64 {
    let answered = match io_apic(at) {
        Some(offset) if bytes == IO_APIC_ACCESS => {
            partition.io_apic.lock().read(offset).map(u64::from)
        }
        Some(_) => None,
        None => with_msix(partition, at, |function, offset| {
            function.read_msix(offset, bytes)
        }),
    };
    answered.unwrap_or_else(|| {
        partition.deny();
        u64::MAX
    })
}

/// Writes to the I/O APIC. An entry that asks for what is not the guest's is kept, and raises
/// nothing.
fn write_io_apic(partition: &Partition, offset: u64, bytes: u8, value: u64) {
    let mut state = partition.io_apic.lock();
    let written = if bytes == IO_APIC_ACCESS {
        state.write(offset, value as u32)
    } else {
        None
    };
    let asks_too_much = offset == DATA && state.interrupt(&partition.core_ids).is_err();
    if written.is_none() || asks_too_much {
        partition.deny();
    }
}

/// Writes to the configuration space of the function in a place of the bus, as ECAM and the
/// configuration ports do.
pub fn write_config(
    partition: &Partition,
    place: Option<Slot>,
    offset: u16,
    bytes: u8,
    value: u64,
) {
    let value = value as u32;
    let effect = match place {
        Some(Slot::Real(index)) => partition.functions.get(index).map(|function| {
            let mut function = function.lock();
            function.write_config(partition, offset, bytes, value)
        }),
        Some(Slot::Synthetic(index)) => partition.synthetic.get(index).map(|function| {
            let mut function = function.lock();
            function.write_config(offset, bytes, value)
        }),
        None => None,
    };
    count(partition, effect.unwrap_or(Effect::Denied));
}

/// Reads from the configuration space of the function in a place of the bus.
pub fn read_config(partition: &Partition, place: Option<Slot>, offset: u16, bytes: u8) -> u32 {
    let value = match place {
        Some(Slot::Real(index)) => {
            let function = partition.functions.get(index);
            function.map(|function| function.lock().read_config(offset, bytes))
        }
        Some(Slot::Synthetic(index)) => {
            let function = partition.synthetic.get(index);
            function.map(|function| function.lock().read_config(offset, bytes))
        }
        None => None,
    };
    value.unwrap_or(u32::MAX)
}

fn count(partition: &Partition, effect: Effect) {
    if effect == Effect::Denied {
        partition.deny();
    }
}

/// The register that an address of the I/O APIC's page names.
fn io_apic(at: GuestPhysical) -> Option<u64> {
    let page = Range::new(layout::IO_APIC, PageSize::Size4KiB.bytes())?;
    page.offset_of(at)
}

/// The place on the bus and the register that an address of the ECAM window names.
fn config_space(partition: &Partition, at: GuestPhysical) -> Option<(Option<Slot>, u16)> {
    let distance = partition.ecam.offset_of(at)?;
    let register = u16::try_from(distance & 0xfff).ok()?;
    Some((slot(u8::try_from(distance >> 12).ok()?), register))
}

/// Does something with the function one of whose trapped pages holds `at`.
fn with_msix<T>(
    partition: &Partition,
    at: GuestPhysical,
    action: impl FnOnce(&mut Function, u64) -> T,
) -> Option<T> {
    for function in &partition.functions {
        let mut function = function.lock();
        if let Some(offset) = function.trapped_offset(at) {
            return Some(action(&mut function, offset));
        }
    }
    None
}

/// Does something with the synthetic function whose BAR holds `at`.
fn with_registers<T>(
    partition: &Partition,
    at: GuestPhysical,
    action: impl FnOnce(&mut Synthetic, u16) -> T,
) -> Option<T> {
    for function in &partition.synthetic {
        let mut function = function.lock();
        if let Some(offset) = function.offset_of(at) {
            return Some(action(&mut function, u16::try_from(offset).ok()?));
        }
    }
    None
}
