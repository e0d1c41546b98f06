//! Spins for ever with interrupts off: what only a kick of the core ends.

#![no_std]
#![no_main]

use test_guests::{Verdict, announce_pass, guest, instruction};

guest!(main);

fn main() -> Verdict {
    announce_pass();
    instruction::spin_for_ever()
}
