//! Listens on every vector, with all its cores, while another partition attacks: nothing may
//! arrive, and no core may be lost.
//!
//! `seconds=N` says for how long, by its own timer; 5 without it. At most two cores.

#![no_std]
#![no_main]

use test_guests::apic::{delivery, to_core};
use test_guests::interrupts::{received, received_elsewhere};
use test_guests::wait::TIMER_VECTOR;
use test_guests::{
    Failure, Verdict, apic, command_line, ensure, guest, instruction, processors, say, smp, wait,
};

guest!(main);

/// Ticks of the timer's clock, 10 ms at 1 GHz, and what that makes of a second.
const PERIOD: u32 = 10_000_000;
const PERIODS_A_SECOND: u64 = 100;
/// By which the second core is asked at the end whether it still listens.
const QUESTION: u8 = 0x60;

fn main() -> Verdict {
    let own = apic::id();
    let other = processors::apic_ids().find(|id| *id != own);
    if let Some(other) = other {
        smp::start(other, listen)?;
    }
    say!("listening");
    pass_time()?;
    if let Some(other) = other {
        instruction::send_command(to_core(other, delivery::FIXED | u64::from(QUESTION)));
        let answers = wait::busy(|| received(QUESTION) == 1);
        ensure!(answers, "core {other} is lost");
    }
    let foreign = received_elsewhere(&[TIMER_VECTOR, QUESTION]);
    ensure!(foreign == 0, "{foreign} interrupts arrived from elsewhere");
    Ok(())
}

fn pass_time() -> Verdict {
    let seconds = command_line::numbers("seconds").next().unwrap_or(5);
    let periods = seconds.saturating_mul(PERIODS_A_SECOND);
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    while u64::from(received(TIMER_VECTOR)) < periods {
        instruction::wait_for_interrupt();
    }
    apic::stop_timer().map_err(faulted)
}

/// What the second core does: every interrupt is counted by its handler.
fn listen() {
    loop {
        instruction::wait_for_interrupt();
    }
}
