//! Sends start-ups to a core that runs already: hardware ignores them, and so must a
//! hypervisor, for Linux always sends two.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use test_guests::apic::{delivery, send, to_core};
use test_guests::{Failure, Verdict, apic, ensure, guest, processors, say, smp, wait};

guest!(main);

/// How many start-ups follow the one that counts.
const AGAIN: u32 = 100;

/// What the other core counts while it runs.
static TURNS: AtomicU32 = AtomicU32::new(0);

fn main() -> Verdict {
    let own = apic::id();
    let none = Failure::new(format_args!("there is no second core"));
    let other = processors::apic_ids().find(|id| *id != own).ok_or(none)?;
    smp::start(other, count_for_ever)?;
    for round in 0..AGAIN {
        send(to_core(other, delivery::START_UP))
            .map_err(|exception| Failure::new(format_args!("ICR: {exception}")))?;
        let before = TURNS.load(Ordering::Acquire);
        let goes_on = wait::busy(|| TURNS.load(Ordering::Acquire) != before);
        ensure!(goes_on, "core {other} stands still after start-up {round}");
    }
    say!("core {other} has ignored {AGAIN} start-ups");
    Ok(())
}

fn count_for_ever() {
    loop {
        TURNS.fetch_add(1, Ordering::AcqRel);
    }
}
