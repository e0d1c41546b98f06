//! Reads 4 KiB from its NVMe function `commands=N` times, halted until MSI-X tells of each,
//! without an exit.
//!
//! In a partition that is its first function. On the bare machine `function=N` names one, with
//! the bus in bits 15:8. `namespace=N` is the one to read from.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::received;
use test_guests::msix::{Message, Table};
use test_guests::nvme::{Controller, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Queue};
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, apic, command_line, ensure, exits, guest, instruction};

guest!(main);

/// The interrupt, and the entry of the MSI-X table that raises it. The admin queue's, entry 0,
/// stays masked.
const VECTOR: u8 = 0x58;
const ENTRY: u16 = 1;
const COMMANDS: u32 = 1000;

fn main() -> Verdict {
    let commands = command_line::number("commands").unwrap_or(COMMANDS);
    let namespace = command_line::number("namespace").unwrap_or(0);
    let none = Failure::new(format_args!("there is no such function"));
    let function = match command_line::numbers("function").next() {
        Some(number) => Function::new(number),
        None => Function::first(),
    };
    let function = function.ok_or(none)?;
    let controller = Controller::new(&function)?;
    let table = Table::enable(&function)?;
    table.write(ENTRY.into(), Message::fixed(apic::id(), VECTOR));
    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    let mut queue = Queue::new(&controller, ENTRY)?;
    let before = Counts::read();
    exits::mark();
    let outcome = read(&mut queue, namespace, commands);
    exits::mark();
    outcome?;
    let after = Counts::read();
    let others = after.others_since(&before, ExitReason::Cpuid);
    ensure!(others == 0, "{others} exits in {commands} interrupts");
    let interrupts = received(VECTOR);
    ensure!(interrupts == commands, "{interrupts} interrupts");
    Ok(())
}

/// One command after another; whoever started the machine bounds the waits.
fn read(queue: &mut Queue, namespace: u32, commands: u32) -> Verdict {
    for number in 1..=commands {
        queue.submit_read(namespace);
        while received(VECTOR) < number {
            instruction::wait_for_interrupt();
        }
        let status = queue.complete();
        ensure!(status == Some(0), "command {number}: status {status:x?}");
    }
    Ok(())
}
