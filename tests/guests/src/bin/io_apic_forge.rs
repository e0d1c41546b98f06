//! Leads its I/O APIC's input where no partition may: to foreign cores, to vectors of
//! exceptions, and to SMI, NMI, INIT and ExtINT. After each it waits for a byte at its serial
//! port: meanwhile its power button can be pressed.
//!
//! `foreign=A,B,…` gives the APIC IDs of the foreign cores.

#![no_std]
#![no_main]

use test_guests::interrupts::received_elsewhere;
use test_guests::io_apic::IoApic;
use test_guests::{Verdict, apic, command_line, console, ensure, guest, instruction, say};

guest!(main);

const VECTOR: u32 = 0x55;
const LEVEL_TRIGGERED: u32 = 1 << 15;
/// The destination is a set of cores, a bit each.
const LOGICAL: u32 = 1 << 11;
const EVERYBODY: u32 = 0xff;

fn main() -> Verdict {
    let io_apic = IoApic::find()?;
    let own = apic::id();
    let foreign = command_line::numbers("foreign").filter_map(|id| u32::try_from(id).ok());
    for core in foreign {
        forge(&io_apic, core, VECTOR)?;
        forge(&io_apic, 1 << (core & 7), LOGICAL | VECTOR)?;
    }
    forge(&io_apic, EVERYBODY, VECTOR)?;
    forge(&io_apic, EVERYBODY, LOGICAL | VECTOR)?;
    for mode in 2..8 {
        forge(&io_apic, own, mode << 8 | VECTOR)?;
    }
    for vector in 0..16 {
        forge(&io_apic, own, vector)?;
    }
    forge(&io_apic, own, LEVEL_TRIGGERED | VECTOR)
}

fn forge(io_apic: &IoApic, destination: u32, entry: u32) -> Verdict {
    let found = io_apic.redirect(destination, entry);
    say!("to {destination}: {entry:#x} reads back as {found:#x}");
    while console::receive().is_none() {
        instruction::let_interrupts_in();
    }
    let arrived = received_elsewhere(&[]);
    ensure!(arrived == 0, "{entry:#x} to {destination} interrupted");
    Ok(())
}
