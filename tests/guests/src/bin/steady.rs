//! Computes a little at each tick of its timer and checks what it has computed before, for
//! ever. It reports now and then, for programs: how many rounds, how many words were wrong, and
//! how many exits and foreign interrupts there were in all rounds, which do not include the
//! reports.
//!
//! `rounds=N` make a report; 200, of 10 ms each, without it.

#![no_std]
#![no_main]

use test_guests::exits::Counts;
use test_guests::interrupts::{received, received_elsewhere};
use test_guests::memory::Region;
use test_guests::wait::TIMER_VECTOR;
use test_guests::{Failure, Verdict, apic, command_line, guest, instruction, say};

guest!(main);

/// RAM above the image that nothing else uses.
const BUFFER: u64 = 0x80_0000;
const BUFFER_BYTES: u64 = 1 << 16;
/// Ticks of the timer's clock: 10 ms at 1 GHz.
const PERIOD: u32 = 10_000_000;
const ROUNDS: u32 = 200;

/// What was seen in all rounds so far.
#[derive(Default)]
struct Seen {
    rounds: u64,
    errors: u64,
    exits: u64,
}

fn main() -> Verdict {
    let unmapped = Failure::new(format_args!("the buffer cannot be mapped"));
    let buffer = Region::new(BUFFER, BUFFER_BYTES).ok_or(unmapped)?;
    let rounds = command_line::number("rounds").unwrap_or(ROUNDS);
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    let mut seen = Seen::default();
    compute(&buffer, &mut seen);
    seen.errors = 0;
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    loop {
        let earlier = Counts::read();
        let before = Counts::read();
        let first = received(TIMER_VECTOR);
        while received(TIMER_VECTOR).wrapping_sub(first) < rounds {
            instruction::wait_for_interrupt();
            compute(&buffer, &mut seen);
        }
        // What reading the counts costs is taken off.
        let reading = before.all_since(&earlier);
        let made = Counts::read().all_since(&before).wrapping_sub(reading);
        seen.exits = seen.exits.saturating_add(made);
        report(&seen);
    }
}

/// One round: every word must be what the round before has made it.
fn compute(buffer: &Region, seen: &mut Seen) {
    let next = seen.rounds.wrapping_add(1);
    for offset in (0..BUFFER_BYTES).step_by(8) {
        if buffer.read::<u64>(offset) != word(offset, seen.rounds) {
            seen.errors = seen.errors.saturating_add(1);
        }
        buffer.write(offset, word(offset, next));
    }
    seen.rounds = next;
}

/// A number that differs in most bits from its neighbours' (Steele, Lea and Flood, "Fast
/// Splittable Pseudorandom Number Generators", the mixing function).
const fn word(offset: u64, round: u64) -> u64 {
    let mixed = (round << 32 ^ offset).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn report(seen: &Seen) {
    let Seen {
        rounds,
        errors,
        exits,
    } = seen;
    let foreign = received_elsewhere(&[TIMER_VECTOR]);
    let ok = *errors == 0 && *exits == 0 && foreign == 0;
    say!(
        "check: {{\"name\":\"steady\",\"ok\":{ok},\"rounds\":{rounds},\"errors\":{errors},\
         \"exits\":{exits},\"foreign\":{foreign}}}"
    );
}
