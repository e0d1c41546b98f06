//! The serial port, and lines on it.

use core::fmt::{self, Write};

use crate::instruction::{in8, out8};

/// The 16550's transmit buffer; its line status register is at `+ 5`.
const PORT: u16 = 0x3f8;
const LINE_STATUS: u16 = PORT + 5;
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
