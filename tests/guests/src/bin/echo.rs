//! Says back each line that is typed at its serial port, until one says `end`.

#![no_std]
#![no_main]

use test_guests::{Verdict, console, ensure, guest, say};

guest!(main);

/// The longest line that is said back.
const LINE_BYTES: usize = 64;

fn main() -> Verdict {
    say!("type");
    let mut line = [0; LINE_BYTES];
    loop {
        let length = read_line(&mut line);
        let text = line.get(..length).unwrap_or_default();
        let text = core::str::from_utf8(text).unwrap_or("no text");
        say!("typed: {text}");
        if text == "end" {
            break;
        }
    }
    ensure!(console::receive().is_none(), "there is more behind the end");
    Ok(())
}

/// Reads up to the next line feed; how many bytes before it were kept.
fn read_line(line: &mut [u8]) -> usize {
    let mut length = 0_usize;
    loop {
        match console::receive() {
            Some(b'\n') => return length,
            Some(byte) => {
                if let Some(slot) = line.get_mut(length) {
                    *slot = byte;
                    length = length.wrapping_add(1);
                }
            }
            None => core::hint::spin_loop(),
        }
    }
}
