//! Prints without end.

#![no_std]
#![no_main]

use test_guests::{Verdict, guest, say};

guest!(main);

fn main() -> Verdict {
    for number in 0_u64.. {
        say!("flood {number}: the quick brown fox jumps over the lazy dog");
    }
    Ok(())
}
