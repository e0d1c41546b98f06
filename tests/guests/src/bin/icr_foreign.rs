//! Sends inter-processor interrupts to cores that belong to others.
//!
//! `foreign=A,B,…` gives the APIC IDs; without it, IDs that no machine has.

#![no_std]
#![no_main]

use test_guests::apic::{delivery, send, shorthand, to_core};
use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::{NMI, received, received_elsewhere};
use test_guests::{Verdict, apic, command_line, ensure, exits, guest, instruction, say};

guest!(main);

/// The vector that is sent to others, and the one that is sent to all.
const FOREIGN_VECTOR: u64 = 0x51;
const ALL_VECTOR: u8 = 0x52;
/// Logical destination mode.
const LOGICAL: u64 = 1 << 11;
/// The destination of a broadcast.
const EVERYBODY: u32 = u32::MAX;

fn main() -> Verdict {
    let before = Counts::read();
    let mut sent = attack_cores();
    sent = sent.wrapping_add(attack_all()?);
    let counted = Counts::read().since(&before, ExitReason::IcrWrite);
    say!("{sent} commands sent, {counted} exits for them");
    if exits::are_counted() {
        ensure!(counted == sent, "{sent} commands were {counted} exits");
    }
    Ok(())
}

/// Sends every kind of command to every foreign core; the answer is how many.
fn attack_cores() -> u64 {
    let kinds = [
        FOREIGN_VECTOR,
        1 << 8 | FOREIGN_VECTOR,
        delivery::SMI,
        3 << 8,
        delivery::NMI,
        delivery::INIT,
        delivery::START_UP | 0x10,
        7 << 8,
        0,
        LOGICAL | FOREIGN_VECTOR,
        LOGICAL | delivery::NMI,
    ];
    let given = command_line::numbers("foreign").filter_map(|id| u32::try_from(id).ok());
    let own = apic::id();
    let mut sent: u64 = 0;
    for id in given.chain([0x7fff, 0xffff_fffe]).filter(|id| *id != own) {
        for kind in kinds {
            let destination = if kind & LOGICAL == 0 { id } else { logical(id) };
            // Denied is denied, with a fault or without.
            let _ = send(to_core(destination, kind));
            sent = sent.wrapping_add(1);
        }
    }
    sent
}

/// A core's logical x2APIC ID.
fn logical(id: u32) -> u32 {
    id >> 4 << 16 | 1 << (id & 0xf)
}

/// Sends by every shorthand and to everybody; this core is part of that. The answer is how
/// many commands that were.
fn attack_all() -> Result<u64, test_guests::Failure> {
    let vector = u64::from(ALL_VECTOR);
    let commands = [
        shorthand::SELF | vector,
        shorthand::ALL | vector,
        shorthand::OTHERS | vector,
        to_core(EVERYBODY, vector),
        shorthand::OTHERS | delivery::NMI,
        shorthand::OTHERS | delivery::SMI,
        shorthand::OTHERS | delivery::INIT,
        shorthand::OTHERS | delivery::START_UP | 0x10,
    ];
    let mut sent: u64 = 0;
    for command in commands {
        let _ = send(command);
        instruction::let_interrupts_in();
        sent = sent.wrapping_add(1);
    }
    let own = received(ALL_VECTOR);
    ensure!(
        (1..=3).contains(&own),
        "{own} of 3 interrupts to this core too arrived"
    );
    let strange = received_elsewhere(&[ALL_VECTOR]);
    ensure!(
        strange == 0,
        "{strange} strange interrupts, {} of them NMIs",
        received(NMI)
    );
    Ok(sent)
}
