//! Takes a thousand interrupts of its local APIC's timer, halted in between, without an exit.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::received;
use test_guests::{Failure, Verdict, apic, ensure, exits, guest, instruction, say};

guest!(main);

const VECTOR: u8 = 0x70;
const INTERRUPTS: u32 = 1000;
/// Ticks of the timer's clock: 1 ms at 1 GHz.
const PERIOD: u32 = 1_000_000;

fn main() -> Verdict {
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let before = Counts::read();
    apic::start_timer(VECTOR, PERIOD).map_err(faulted)?;
    while received(VECTOR) < INTERRUPTS {
        instruction::wait_for_interrupt();
    }
    apic::stop_timer().map_err(faulted)?;
    let after = Counts::read();
    after.print_since(&before);
    let others = after.others_since(&before, ExitReason::Cpuid);
    ensure!(
        others == 0,
        "{others} exits in {INTERRUPTS} timer interrupts"
    );
    say!("counted by Bulkhead: {}", exits::are_counted());
    Ok(())
}
