//! Powers off, after a look at the sleep status register.

#![no_std]
#![no_main]

use test_guests::{Verdict, guest, power, say};

guest!(main);

fn main() -> Verdict {
    say!("sleep status: {:#x}", power::read_sleep_status());
    Ok(())
}
