//! Passes by running at all.

#![no_std]
#![no_main]

use test_guests::{Verdict, command_line, guest, processors, say};

guest!(main);

fn main() -> Verdict {
    say!("command line: {}", command_line::text());
    for id in processors::apic_ids() {
        say!("core: {id}");
    }
    Ok(())
}
