//! Takes interrupts of its local APIC's timer without an exit: a thousand, one a millisecond,
//! halted in between.
//!
//! `interrupts=N` asks for another number, `period=N` for another number of ticks of the
//! timer's clock in between, and `busy=1` for a loop in place of the halts.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::{received, received_elsewhere};
use test_guests::{Failure, Verdict, apic, command_line, ensure, exits, guest, instruction, say};

guest!(main);

const VECTOR: u8 = 0x70;
const INTERRUPTS: u32 = 1000;
/// Ticks of the timer's clock: 1 ms at 1 GHz.
const PERIOD: u32 = 1_000_000;

fn main() -> Verdict {
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let interrupts = command_line::number("interrupts").unwrap_or(INTERRUPTS);
    let period = command_line::number("period").unwrap_or(PERIOD);
    let busy = command_line::number("busy") == Some(1);
    let before = Counts::read();
    apic::start_timer(VECTOR, period).map_err(faulted)?;
    exits::mark();
    while received(VECTOR) < interrupts {
        if busy {
            instruction::let_interrupts_in();
        } else {
            instruction::wait_for_interrupt();
        }
    }
    exits::mark();
    apic::stop_timer().map_err(faulted)?;
    let after = Counts::read();
    after.print_since(&before);
    let others = after.others_since(&before, ExitReason::Cpuid);
    ensure!(
        others == 0,
        "{others} exits in {interrupts} timer interrupts"
    );
    let foreign = received_elsewhere(&[VECTOR]);
    ensure!(foreign == 0, "{foreign} interrupts of others");
    say!("counted by Bulkhead: {}", exits::are_counted());
    Ok(())
}
