//! Powers off while its second core spins for ever with interrupts off: that core only leaves
//! the guest if somebody kicks it.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, Ordering};

use test_guests::{Failure, Verdict, apic, ensure, guest, instruction, processors, say, smp, wait};

guest!(main);

static SPINS: AtomicBool = AtomicBool::new(false);

fn main() -> Verdict {
    let own = apic::id();
    let none = Failure::new(format_args!("there is no second core"));
    let other = processors::apic_ids().find(|id| *id != own).ok_or(none)?;
    smp::start(other, spin)?;
    let spins = wait::busy(|| SPINS.load(Ordering::Acquire));
    ensure!(spins, "core {other} does not spin");
    say!("core {other} spins");
    Ok(())
}

/// What the other core does.
fn spin() {
    SPINS.store(true, Ordering::Release);
    instruction::spin_for_ever()
}
