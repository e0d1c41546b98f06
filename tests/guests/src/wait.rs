//! Waits that end.

use crate::instruction::{time_stamp, wait_for_interrupt};
use crate::interrupts::received;
use crate::{Failure, Verdict, apic};

/// The vector of the timer that bounds the waits.
pub const TIMER_VECTOR: u8 = 0xf0;
/// The timer's period in ticks of its clock: 20 ms at 1 GHz.
const PERIOD: u32 = 20_000_000;
/// The periods that a halted wait takes at most.
const PERIODS: u32 = 500;
/// The time-stamp ticks that a busy wait takes at most: some seconds.
const BUSY_TICKS: u64 = 6_000_000_000;

/// Halts until `condition` holds; the timer wakes it up, so that the wait has an end.
///
/// # Errors
/// If it does not hold in about ten seconds; `what` is in the message.
pub fn halted(what: &str, mut condition: impl FnMut() -> bool) -> Verdict {
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let first = received(TIMER_VECTOR);
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    while !condition() {
        if received(TIMER_VECTOR).wrapping_sub(first) > PERIODS {
            crate::fail!("{what} did not happen in {PERIODS} timer periods");
        }
        wait_for_interrupt();
    }
    apic::stop_timer().map_err(faulted)
}

/// Spins until `condition` holds; the answer is whether it did within some seconds.
pub fn busy(condition: impl FnMut() -> bool) -> bool {
    busy_for(BUSY_TICKS, condition)
}

/// Spins until `condition` holds; the answer is whether it did within about `ticks` of the
/// time-stamp counter.
pub fn busy_for(ticks: u64, mut condition: impl FnMut() -> bool) -> bool {
    let start = time_stamp();
    loop {
        if condition() {
            return true;
        }
        if time_stamp().wrapping_sub(start) > ticks {
            return false;
        }
        core::hint::spin_loop();
    }
}

/// Spins for about `ticks` of the time-stamp counter.
pub fn pass(ticks: u64) {
    let start = time_stamp();
    while time_stamp().wrapping_sub(start) < ticks {
        core::hint::spin_loop();
    }
}
