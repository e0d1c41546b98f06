//! Writes anything to the memory of its partition's management channel, numbers and bytes, and
//! to the page that it may only read; asks without reading answers in between. After
//! `seconds=N` it greets, and must be answered.

#![no_std]
#![no_main]

use mgmt_proto::Request;
use shared_ring::{PAGE_BYTES, SENT, TAKEN};
use test_guests::management::{Client, Shared};
use test_guests::{Verdict, command_line, guest, instruction, say};

guest!(main);

/// Ticks of the time-stamp counter in a second, at 1 GHz.
const TICKS_A_SECOND: u64 = 1_000_000_000;
/// Rounds between two looks at the clock.
const ROUNDS: u32 = 1000;
/// What in such rounds is written to the page that is Bulkhead's: each is an exit.
const DENIED: u32 = 10;

fn main() -> Verdict {
    let shared = Shared::find()?;
    let seconds = command_line::numbers("seconds").next().unwrap_or(2);
    let ticks = seconds.saturating_mul(TICKS_A_SECOND);
    let begin = instruction::time_stamp();
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    say!("scribbles");
    while instruction::time_stamp().wrapping_sub(begin) < ticks {
        for round in 0..ROUNDS {
            scribble(&shared, &mut noise);
            if round < DENIED {
                let offset = noise.offset();
                shared.bulkheads.write(offset, noise.next());
            }
        }
        ask_in_vain(shared)?;
    }
    Client::greet(shared)?;
    say!("was answered");
    Ok(())
}

/// Writes one thing: a number that is possible or not, or bytes.
fn scribble(shared: &Shared, noise: &mut Noise) {
    let value = noise.next();
    let near = shared.own.read::<u64>(SENT).wrapping_add(value % 4096);
    match value >> 60 {
        0 => shared.own.write(SENT, value),
        1 => shared.own.write(TAKEN, value),
        2 => shared.own.write(SENT, near),
        3 => shared.own.write(TAKEN, shared.bulkheads.read::<u64>(SENT)),
        _ => shared.own.write(noise.offset(), value),
    }
}

/// Good questions, whose answers give way to one another.
fn ask_in_vain(shared: Shared) -> Verdict {
    let mut client = Client::greet(shared)?;
    for _ in 0..5 {
        client.post(&Request::Counters { from: 0 })?;
    }
    Ok(())
}

/// Marsaglia's xorshift64: the same numbers each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Where in a page a number may be.
    fn offset(&mut self) -> u64 {
        (self.next() % PAGE_BYTES) & !7
    }
}
