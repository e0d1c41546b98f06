//! Forges MSI-X entries: foreign cores, dangerous delivery modes, vectors of exceptions.
//!
//! `foreign=A,B,…` gives APIC IDs of others. First an honest entry must deliver its
//! interrupt, or silence afterwards would prove nothing.

#![no_std]
#![no_main]

use test_guests::interrupts::{received, received_elsewhere};
use test_guests::msix::{Message, Table};
use test_guests::nvme::{
    Controller, OWN_BUFFER, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Outcome,
};
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, apic, command_line, ensure, guest, instruction, say, wait};

guest!(main);

const HONEST_VECTOR: u8 = 0x58;
const FORGED_VECTOR: u8 = 0x59;
/// Time for an interrupt to arrive: 20 ms at 1 GHz.
const ARRIVAL_TICKS: u64 = 20_000_000;

/// Message data of dangerous delivery modes (SMI, NMI, INIT, ExtINT and two reserved ones),
/// and of vectors that belong to exceptions.
const DATA: [u32; 9] = [
    2 << 8,
    3 << 8 | 0x59,
    4 << 8,
    5 << 8,
    6 << 8 | 0x59,
    7 << 8,
    0x00,
    0x02,
    0x0d,
];
/// Message addresses that are no local APIC's, among them a remappable format one.
const ADDRESSES: [u32; 3] = [0x0020_0000, 0xfec0_0000, 0xfee0_0010];

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let function = Function::first().ok_or(none)?;
    let controller = Controller::new(&function)?;
    let table = Table::enable(&function)?;
    say!("{} entries", table.count());
    let own = apic::id();
    deliver(&controller, &table, own)?;

    let foreign = command_line::numbers("foreign").filter_map(|id| u32::try_from(id).ok());
    for id in foreign.chain([0xfe]).filter(|id| *id != own) {
        attack(&controller, &table, Message::fixed(id, FORGED_VECTOR))?;
    }
    for data in DATA {
        let address = Message::fixed(own, 0).address;
        attack(&controller, &table, Message { address, data })?;
    }
    for address in ADDRESSES {
        let data = FORGED_VECTOR.into();
        attack(&controller, &table, Message { address, data })?;
    }
    deliver(&controller, &table, own)
}

/// An honest entry delivers exactly one interrupt.
fn deliver(controller: &Controller, table: &Table, own: u32) -> Verdict {
    let before = received(HONEST_VECTOR);
    table.write(0, Message::fixed(own, HONEST_VECTOR));
    interrupt(controller)?;
    let count = received(HONEST_VECTOR).wrapping_sub(before);
    ensure!(count == 1, "an honest entry delivered {count} interrupts");
    Ok(())
}

/// A forged entry delivers nothing here; what it does elsewhere, others watch.
fn attack(controller: &Controller, table: &Table, message: Message) -> Verdict {
    table.write(0, message);
    say!("{message:x?} reads back as {:x?}", table.read(0));
    interrupt(controller)?;
    let arrived = received_elsewhere(&[HONEST_VECTOR]);
    ensure!(arrived == 0, "{message:x?} delivered {arrived} interrupts");
    table.mask(0);
    Ok(())
}

/// Makes the controller send the message of its admin completion queue, entry 0.
fn interrupt(controller: &Controller) -> Verdict {
    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    controller.prepare_identify(OWN_BUFFER);
    let outcome = controller.run_first();
    ensure!(outcome == Outcome::Completed(0), "Identify: {outcome:x?}");
    wait::pass(ARRIVAL_TICKS);
    instruction::let_interrupts_in();
    Ok(())
}
