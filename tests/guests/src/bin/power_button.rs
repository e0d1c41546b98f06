//! Waits, halted, until its power button is pressed, and switches itself off. Between the
//! press and that nothing exits.
//!
//! With `deaf=1` it says that it was asked, and goes on.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::{received, received_elsewhere};
use test_guests::io_apic::IoApic;
use test_guests::{Verdict, apic, command_line, ensure, guest, instruction, say};

guest!(main);

const VECTOR: u8 = 0x55;

fn main() -> Verdict {
    IoApic::find()?.redirect(apic::id(), VECTOR.into());
    say!("waits");
    let before = Counts::read();
    while received(VECTOR) == 0 {
        instruction::wait_for_interrupt();
    }
    let others = Counts::read().others_since(&before, ExitReason::Cpuid);
    ensure!(others == 0, "{others} exits up to the press");
    let strange = received_elsewhere(&[VECTOR]);
    ensure!(strange == 0, "{strange} interrupts on other vectors");
    if command_line::number("deaf") == Some(1) {
        say!("is asked, and goes on");
        instruction::spin_for_ever();
    }
    Ok(())
}
