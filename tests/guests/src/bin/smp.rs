//! Starts its second core by INIT and SIPI and exchanges a thousand inter-processor
//! interrupts with it: one exit each, and no other.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use test_guests::apic::{delivery, send, to_core};
use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::received;
use test_guests::{
    Failure, Verdict, apic, ensure, exits, guest, instruction, processors, say, smp, wait,
};

guest!(main);

/// The vectors of the two directions.
const PING: u8 = 0x61;
const PONG: u8 = 0x62;
/// Interrupts in each direction.
const ROUNDS: u32 = 500;

static FIRST_CORE: AtomicU32 = AtomicU32::new(0);

fn main() -> Verdict {
    let own = apic::id();
    FIRST_CORE.store(own, Ordering::Release);
    let none = Failure::new(format_args!("there is no second core"));
    let other = processors::apic_ids().find(|id| *id != own).ok_or(none)?;
    smp::start(other, answer)?;
    say!("core {other} has started");
    let before = Counts::read();
    exits::mark();
    let mut result = Ok(());
    let mut sent: u32 = 0;
    wait::halted("1,000 interrupts", || {
        let answered = received(PONG);
        // The wait's timer asks too, while an interrupt is still on its way.
        if answered == sent && sent < ROUNDS && result.is_ok() {
            result = ping(other);
            sent = sent.wrapping_add(1);
        }
        answered >= ROUNDS || result.is_err()
    })?;
    exits::mark();
    result?;
    check(&before)
}

fn ping(other: u32) -> Verdict {
    send(to_core(other, delivery::FIXED | u64::from(PING)))
        .map_err(|exception| Failure::new(format_args!("ICR: {exception}")))
}

/// What the other core does: it answers every interrupt by one.
fn answer() {
    let first = FIRST_CORE.load(Ordering::Acquire);
    let command = to_core(first, delivery::FIXED | u64::from(PONG));
    let mut answered = 0;
    while answered < ROUNDS {
        instruction::wait_for_interrupt();
        while answered < received(PING) {
            answered = answered.wrapping_add(1);
            instruction::send_command(command);
        }
    }
}

fn check(before: &Counts) -> Verdict {
    let after = Counts::read();
    after.print_since(before);
    if exits::are_counted() {
        let sent = u64::from(ROUNDS).wrapping_mul(2);
        let counted = after.since(before, ExitReason::IcrWrite);
        ensure!(counted == sent, "{sent} interrupts were {counted} exits");
        let others = after.others_since(before, ExitReason::IcrWrite);
        ensure!(others == 0, "{others} other exits");
    }
    Ok(())
}
