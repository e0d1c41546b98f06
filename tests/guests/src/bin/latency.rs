//! Takes `interrupts=N` interrupts of its local APIC's timer, one after another, and tells how
//! late each was: the ticks of the time-stamp counter from when it was due to its handler's
//! first instructions. `period=N` is how many ticks of the timer's clock it is set to at least;
//! it moves on by one each time, so that interrupts fall on all phases of whatever else there is.
//!
//! The timer's clock and the time-stamp counter must tick alike. It looks at the latter all the
//! time: where that jumps, and no exit was counted, the emulator has given this processor no turn
//! for so long. An interrupt that falls into a jump is counted apart, for how late it was cannot
//! be said; so is one whose timer was set in a jump, for when it was due cannot be said.
//!
//! A line `late: TICKS TIMES` for each lateness that occurred, and one `jump: TICKS TIMES` for
//! the jumps of the same length, in powers of two. A line `waited: TIMES` tells how many, jumps or
//! not, were taken later than this processor could have done.

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

/// Setting the timer and two turns of the loop take fewer ticks than that, as long as the others'
/// turns are short ones: at most 95 in Bochs without a neighbour.
const JUMP: u64 = 128;

/// How often an interrupt was so many ticks late.
static LATE: [AtomicU32; 2 * JUMP as usize] = [const { AtomicU32::new(0) }; 2 * JUMP as usize];
/// How often one fell into a jump of so many ticks, as a power of two.
static JUMPS: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// An interrupt of the timer.
struct Taken {
    /// How many ticks after it was due its handler began.
    late: u64,
    /// How many ticks before that the time was looked at the last time but one: the interrupt may
    /// have been due before the last one, which interrupts had to wait for. And how many it took
    /// to set the timer, which may have begun to count at any of them.
    unseen: u64,
}

fn main() -> Verdict {
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let interrupts = command_line::number("interrupts").unwrap_or(INTERRUPTS);
    let period = command_line::number("period").unwrap_or(PERIOD);
    apic::prepare_timer(STAMPED).map_err(faulted)?;
    let mut waited = 0_u32;
    let before = Counts::read();
    for number in 0..interrupts {
        let count = (number % PHASES).wrapping_add(period);
        let taken = take(count, number);
        note(&taken);
        // The last turn but one let interrupts in, so it was due after the time was looked at.
        waited = waited.wrapping_add(u32::from(taken.late >= taken.unseen));
    }
    let after = Counts::read();
    after.print_since(&before);
    let others = after.others_since(&before, ExitReason::Cpuid);
    ensure!(others == 0, "{others} exits in {interrupts} interrupts");
    let foreign = received_elsewhere(&[STAMPED]);
    ensure!(foreign == 0, "{foreign} interrupts of others");
    print();
    say!("waited: {waited}");
    Ok(())
}

/// Waits for one interrupt, `count` ticks from now; so many have come before.
fn take(count: u32, before: u32) -> Taken {
    let before_start = instruction::time_stamp();
    apic::start_once(count);
    let started = instruction::time_stamp();
    let due = before_start.wrapping_add(count.into());
    let (mut earlier, mut now) = (started, started);
    while received(STAMPED) == before {
        (earlier, now) = (now, instruction::time_stamp());
        instruction::let_interrupts_in();
    }
    Taken {
        late: stamp().saturating_sub(due),
        unseen: stamp()
            .saturating_sub(earlier)
            .wrapping_add(started.wrapping_sub(before_start)),
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
