//! Takes `interrupts=N` interrupts of its local APIC's timer, one after another, and tells how
//! late each was: the ticks of the time-stamp counter from when it was due to its handler's
//! first instructions. `period=N` is how many ticks of the timer's clock it is set to at least;
//! it moves on by one each time, so that interrupts fall on all phases of whatever else there is.
//!
//! The timer's clock and the time-stamp counter must tick alike. It looks at the latter all the
//! time: where that jumps, and no exit was counted, the emulator has given this processor no turn
//! for so long. An interrupt that falls into a jump is counted apart, for how late it was cannot
//! be said.
//!
//! A line `late: TICKS TIMES` for each lateness that occurred, and one `jump: TICKS TIMES` for
//! the jumps of the same length, in powers of two.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use test_guests::exits::{Counts, ExitReason};
use test_guests::interrupts::{STAMPED, received, received_elsewhere, stamp};
use test_guests::{Failure, Verdict, apic, command_line, ensure, guest, instruction, say};

guest!(main);

const INTERRUPTS: u32 = 1000;
const PERIOD: u32 = 20_000;
/// How much longer than that the timer may be set.
const PHASES: u32 = 1009;

/// Two turns of the loop take fewer ticks than that, whatever the others do.
const JUMP: u64 = 256;

/// How often an interrupt was so many ticks late.
static LATE: [AtomicU32; 2 * JUMP as usize] = [const { AtomicU32::new(0) }; 2 * JUMP as usize];
/// How often one fell into a jump of so many ticks, as a power of two.
static JUMPS: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// An interrupt of the timer.
struct Taken {
    /// How many ticks after it was due its handler began.
    late: u64,
    /// How many ticks before that the time was looked at the last time but one: the interrupt may
    /// have been due before the last one, which interrupts had to wait for.
    unseen: u64,
}

fn main() -> Verdict {
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let interrupts = command_line::number("interrupts").unwrap_or(INTERRUPTS);
    let period = command_line::number("period").unwrap_or(PERIOD);
    apic::prepare_timer(STAMPED).map_err(faulted)?;
    let before = Counts::read();
    for number in 0..interrupts {
        let count = (number % PHASES).wrapping_add(period);
        note(&take(count, number));
    }
    let after = Counts::read();
    after.print_since(&before);
    let others = after.others_since(&before, ExitReason::Cpuid);
    ensure!(others == 0, "{others} exits in {interrupts} interrupts");
    let foreign = received_elsewhere(&[STAMPED]);
    ensure!(foreign == 0, "{foreign} interrupts of others");
    print();
    Ok(())
}

/// Waits for one interrupt, `count` ticks from now; so many have come before.
fn take(count: u32, before: u32) -> Taken {
    let (mut earlier, mut now) = (0, instruction::time_stamp());
    let due = now.wrapping_add(count.into());
    apic::start_once(count);
    while received(STAMPED) == before {
        (earlier, now) = (now, instruction::time_stamp());
        instruction::let_interrupts_in();
    }
    Taken {
        late: stamp().saturating_sub(due),
        unseen: stamp().saturating_sub(earlier),
    }
}

fn note(taken: &Taken) {
    let (counts, index) = if taken.unseen < JUMP {
        (LATE.as_slice(), taken.late)
    } else {
        (JUMPS.as_slice(), taken.unseen.ilog2().into())
    };
    let last = counts.len().wrapping_sub(1);
    let index = usize::try_from(index).unwrap_or(last).min(last);
    if let Some(count) = counts.get(index) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn print() {
    let count = |count: &AtomicU32| count.load(Ordering::Relaxed);
    for (ticks, times) in (0_u64..).zip(LATE.iter().map(count)) {
        if times > 0 {
            say!("late: {ticks} {times}");
        }
    }
    for (power, times) in (0_u32..).zip(JUMPS.iter().map(count)) {
        if times > 0 {
            say!("jump: {} {times}", 1_u64 << power);
        }
    }
}
