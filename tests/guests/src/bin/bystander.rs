//! Listens on every vector while another partition attacks: nothing may arrive.
//!
//! `seconds=N` says for how long, by its own timer; 5 without it.

#![no_std]
#![no_main]

use test_guests::interrupts::{received, received_elsewhere};
use test_guests::wait::TIMER_VECTOR;
use test_guests::{Failure, Verdict, apic, command_line, ensure, guest, instruction, say};

guest!(main);

/// Ticks of the timer's clock, 10 ms at 1 GHz, and what that makes of a second.
const PERIOD: u32 = 10_000_000;
const PERIODS_A_SECOND: u64 = 100;

fn main() -> Verdict {
    let seconds = command_line::numbers("seconds").next().unwrap_or(5);
    let periods = seconds.saturating_mul(PERIODS_A_SECOND);
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    say!("listening");
    while u64::from(received(TIMER_VECTOR)) < periods {
        instruction::wait_for_interrupt();
    }
    apic::stop_timer().map_err(faulted)?;
    let foreign = received_elsewhere(&[TIMER_VECTOR]);
    ensure!(foreign == 0, "{foreign} interrupts arrived from elsewhere");
    Ok(())
}
