//! Lets its NVMe function interrupt it `commands=N` times, halted in between, without an exit:
//! an Identify command each, told by MSI-X.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::received;
use test_guests::msix::{Message, Table};
use test_guests::nvme::{Controller, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Queue};
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, apic, command_line, ensure, exits, guest, instruction};

guest!(main);

const VECTOR: u8 = 0x58;
const COMMANDS: u32 = 1000;

fn main() -> Verdict {
    let commands = command_line::number("commands").unwrap_or(COMMANDS);
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let function = Function::first().ok_or(none)?;
    let controller = Controller::new(&function)?;
    let table = Table::enable(&function)?;
    table.write(0, Message::fixed(apic::id(), VECTOR));
    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    let mut queue = Queue::new(controller);
    let before = Counts::read();
    exits::mark();
    let outcome = identify(&mut queue, commands);
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
fn identify(queue: &mut Queue, commands: u32) -> Verdict {
    for number in 1..=commands {
        queue.submit_identify();
        while received(VECTOR) < number {
            instruction::wait_for_interrupt();
        }
        let status = queue.complete();
        ensure!(status == Some(0), "command {number}: status {status:x?}");
    }
    Ok(())
}
