//! INS and OUTS to ports that a guest does not have: as with IN and OUT, memory fills with
//! ones, and what is written is dropped. The registers end as the instruction would leave
//! them, so that a driver which looks for a device this way goes on.

use addr::GuestPhysical;
use vdev::walk;

use super::{Partition, memory};
use crate::vcpu::{Backend, Direction, PortAccess, instruction};

/// The most elements answered in one exit: a longer REP goes on with the next one.
const MAXIMUM_ELEMENTS: u64 = 4096;
const DIRECTION_FLAG: u64 = 1 << 10;

/// Answers a string access, or a part of it.
pub fn access<B: Backend>(partition: &Partition, backend: &mut B, access: PortAccess) {
    let state = backend.code_state();
    let backward = state.rflags & DIRECTION_FLAG != 0;
    let bytes = u64::from(access.bytes);
    let registers = backend.registers();
    let wanted = if access.repeat { registers.rcx } else { 1 };
    let count = wanted.min(MAXIMUM_ELEMENTS);
    let step = if backward {
        bytes.wrapping_neg()
    } else {
        bytes
    };
    let index = match access.direction {
        Direction::In => &mut registers.rdi,
        Direction::Out => &mut registers.rsi,
    };
    let first = *index;
    *index = first.wrapping_add(step.wrapping_mul(count));
    if access.repeat {
        registers.rcx = wanted.wrapping_sub(count);
    }
    if access.direction == Direction::In {
        let paging = instruction::paging(&state);
        let base = if state.code_long { 0 } else { state.data_base };
        for element in 0..count {
            let address = first
                .wrapping_add(step.wrapping_mul(element))
                .wrapping_add(base);
            fill(partition, address, bytes, paging);
        }
    }
    if wanted == count {
        backend.jump(access.next_rip);
    }
}

/// Writes ones to `bytes` bytes at a virtual address, where the guest has memory.
fn fill(partition: &Partition, address: u64, bytes: u64, paging: walk::Paging) {
    for offset in 0..bytes {
        let at = address.wrapping_add(offset);
        let page = walk::translate(at & !7, paging, |at| partition.memory.read_u64(at));
        let byte = page.map(|page| GuestPhysical::new(page.as_u64() | (at & 7)));
        if let Some(byte) = byte {
            // Memory that the guest has not got drops the write, as everywhere.
            let _ = memory::write(&partition.memory, byte, &[u8::MAX]);
        }
    }
}
