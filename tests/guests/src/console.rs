//! The serial port, lines on it, and what is typed there.

use core::fmt::{self, Write};

use crate::instruction::{in8, out8};

/// The 16550's transmit buffer; its line status register is at `+ 5`.
const PORT: u16 = 0x3f8;
const LINE_STATUS: u16 = PORT + 5;
/// Line status: a byte was received.
const DATA_READY: u8 = 1 << 0;
/// Line status: the transmit buffer is empty.
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Polls before a byte is sent all the same.
const POLLS: u32 = 100_000;

/// Where [`say!`](crate::say) writes.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(send);
        Ok(())
    }
}

fn send(byte: u8) {
    let _ready = (0..POLLS).any(|_| in8(LINE_STATUS) & TRANSMIT_EMPTY != 0);
    out8(PORT, byte);
}

/// The next byte that was typed, if there is one.
#[must_use]
pub fn receive() -> Option<u8> {
    (in8(LINE_STATUS) & DATA_READY != 0).then(|| in8(PORT))
}

/// Prints a line.
pub fn print_line(line: fmt::Arguments<'_>) {
    // The console takes every byte.
    let _ = Console.write_fmt(line);
    let _ = Console.write_str("\r\n");
}

/// Prints a line of detail.
#[macro_export]
macro_rules! say {
    ($($line:tt)*) => { $crate::console::print_line(format_args!($($line)*)) };
}
