//! Asks for what it is denied, `count=N` times, and then for nothing more.
//!
//! With `lives=2` it resets in between and does it all again.

#![no_std]
#![no_main]

use test_guests::{Failure, Verdict, command_line, exits, guest, instruction, power, say};

guest!(main);

/// The keyboard controller's data port, which no partition has.
const PORT: u16 = 0x60;

fn main() -> Verdict {
    let none = Failure::new(format_args!("count=N is missing"));
    let count = command_line::number("count").ok_or(none)?;
    let has_more_lives = command_line::number("lives") == Some(2) && exits::life() == 1;
    for _ in 0..count {
        let _ = instruction::in8(PORT);
    }
    if has_more_lives {
        power::reset();
    }
    say!("was denied {count} accesses");
    instruction::spin_for_ever();
}
