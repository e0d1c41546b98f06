//! Shuts its core down by a triple fault.

#![no_std]
#![no_main]

use test_guests::{Verdict, announce_pass, guest, instruction};

guest!(main);

fn main() -> Verdict {
    announce_pass();
    instruction::triple_fault()
}
