//! Halts all its cores, two at most, with interrupts off: nothing of its own wakes them.

#![no_std]
#![no_main]

use test_guests::{Verdict, apic, guest, instruction, processors, say, smp};

guest!(main);

fn main() -> Verdict {
    let own = apic::id();
    if let Some(other) = processors::apic_ids().find(|id| *id != own) {
        smp::start(other, || instruction::halt_for_ever())?;
    }
    say!("halts");
    instruction::halt_for_ever()
}
