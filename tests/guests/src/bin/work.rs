//! Computes: a loop over `bytes=N` bytes of its own, `rounds=N` times, between two marks. How
//! many instructions that takes is counted from outside.

#![no_std]
#![no_main]

use test_guests::memory::Region;
use test_guests::{Failure, Verdict, command_line, exits, guest, say};

guest!(main);

/// RAM above the image that nothing uses.
const BUFFER: u64 = 0x80_0000;
const BYTES: u32 = 1 << 20;
const ROUNDS: u32 = 20;

fn main() -> Verdict {
    let bytes = command_line::number("bytes").unwrap_or(BYTES);
    let rounds = command_line::number("rounds").unwrap_or(ROUNDS);
    let unmapped = Failure::new(format_args!("the buffer cannot be mapped"));
    let buffer = Region::new(BUFFER, bytes.into()).ok_or(unmapped)?;
    exits::mark();
    exits::mark();
    let sum = (0..rounds).fold(0_u64, |sum, round| {
        (0..u64::from(bytes)).step_by(8).fold(sum, |sum, at| {
            let word = buffer.read::<u64>(at).wrapping_add(round.into());
            buffer.write(at, word);
            sum.rotate_left(1) ^ word
        })
    });
    exits::mark();
    say!("sum {sum:#x}");
    Ok(())
}
