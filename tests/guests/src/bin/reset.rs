//! Resets its partition. Started again it does the same again.

#![no_std]
#![no_main]

use test_guests::{Verdict, announce_pass, fail, guest, power};

guest!(main);

fn main() -> Verdict {
    announce_pass();
    power::reset();
    fail!("the reset register did nothing");
}
