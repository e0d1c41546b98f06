//! The few I/O ports that a guest finds: a 16550, the ACPI sleep and reset registers, and
//! CF8/CFC where the plan offers them. Every other port reads all ones and drops writes.

use vdev::power::{self, PowerRequest};
use vdev::uart;

use super::{Partition, StopCause, config_ports, string_io};
use crate::cpu::attention;
use crate::vcpu::dispatch::Next;
use crate::vcpu::{Backend, Direction, PortAccess};

const UART_LAST: u16 = uart::PORT + uart::PORTS - 1;

/// Answers a port access.
pub fn access<B: Backend>(partition: &Partition, backend: &mut B, access: PortAccess) -> Next {
    if access.string {
        // None of the ports that are there moves strings.
        partition.deny();
        string_io::access(partition, backend, access);
        return Next::Resume;
    }
    backend.jump(access.next_rip);
    match access.direction {
        Direction::In => {
            let value = read(partition, access.port, access.bytes);
            merge(&mut backend.registers().rax, value, access.bytes);
            Next::Resume
        }
        Direction::Out => {
            let value = backend.registers().rax as u32;
            write(partition, access.port, access.bytes, value)
        }
    }
}

/// Puts the `bytes` low bytes of `value` into RAX as IN does: 4 bytes clear the upper half.
fn merge(rax: &mut u64, value: u32, bytes: u8) {
    *rax = match bytes {
        1 => (*rax & !0xff) | u64::from(value & 0xff),
        2 => (*rax & !0xffff) | u64::from(value & 0xffff),
        _ => value.into(),
    };
}

fn read(partition: &Partition, port: u16, bytes: u8) -> u32 {
    match (port, bytes) {
        (uart::PORT..=UART_LAST, 1) => partition
            .uart
            .lock()
            .read(port.wrapping_sub(uart::PORT))
            .into(),
        _ => other_read(partition, port, bytes).unwrap_or_else(|| {
            partition.deny();
            u32::MAX
        }),
    }
}

fn other_read(partition: &Partition, port: u16, bytes: u8) -> Option<u32> {
    let power = if bytes == 1 {
        power::read(port).map(u32::from)
    } else {
        None
    };
    power.or_else(|| config_ports::read(partition, port, bytes))
}

fn write(partition: &Partition, port: u16, bytes: u8, value: u32) -> Next {
    match (port, bytes) {
        (uart::PORT..=UART_LAST, 1) => {
            transmit(partition, port.wrapping_sub(uart::PORT), value as u8);
        }
        (power::SLEEP_CONTROL_PORT..=power::RESET_PORT, 1) => {
            return match power::write(port, value as u8) {
                Some(PowerRequest::Off) => Next::Stop(StopCause::PowerOff),
                Some(PowerRequest::Reset) => Next::Stop(StopCause::Reset),
                None => Next::Resume,
            };
        }
        _ => {
            if config_ports::write(partition, port, bytes, value).is_none() {
                partition.deny();
            }
        }
    }
    Next::Resume
}

fn transmit(partition: &Partition, offset: u16, value: u8) {
    let mut uart = partition.uart.lock();
    if let Some(byte) = uart.write(offset, value) {
        partition.console.push(byte);
        if byte == b'\n' {
            attention::call(partition.housekeeping);
        }
    }
}
