//! Prints ten thousand bytes on the console without exits, then says back each line that is
//! typed there until one says `end`: all of it without an exit, halted while nothing is typed.

#![no_std]
#![no_main]

use test_guests::exits::{Counts, ExitReason};
use test_guests::virtio::{Console, VECTOR};
use test_guests::{Verdict, ensure, guest, instruction, interrupts, say};

guest!(main);

/// A line of a hundred bytes with its line ending, and how often it is printed.
const LINE: &[u8; 100] = b"a line of a hundred bytes, of which a hundred make ten thousand: \
    nobody leaves for a hypervisor...\r\n";
const LINES: u32 = 100;
/// As Linux prints: its hypervisor consoles take 16 bytes at a time.
const PIECE: usize = 16;
/// The longest line that is said back.
const LINE_BYTES: usize = 64;

fn main() -> Verdict {
    let before = Counts::read();
    let mut console = Console::start()?;
    let ready = Counts::read();
    let set_up = ready.others_since(&before, ExitReason::Cpuid);
    for _ in 0..LINES {
        ensure!(console.print(LINE, PIECE), "it does not take a line");
    }
    ensure!(console.print(b"type\r\n", PIECE), "nobody can be asked");
    echo(&mut console)?;
    let others = Counts::read().others_since(&ready, ExitReason::Cpuid);
    say!("exits: {set_up} to set up, {others} afterwards");
    say!("interrupts: {}", interrupts::received(VECTOR));
    ensure!(others == 0, "{others} exits for the console");
    ensure!(
        interrupts::received(VECTOR) > 0,
        "no interrupt for what was typed"
    );
    Ok(())
}

/// Says back what is typed until it says `end`.
fn echo(console: &mut Console) -> Verdict {
    let mut line = [0; LINE_BYTES];
    loop {
        let length = read_line(console, &mut line);
        let text = line.get(..length).unwrap_or_default();
        for part in [b"typed: ", text, b"\r\n"] {
            ensure!(console.print(part, PIECE), "it does not take an answer");
        }
        if text == b"end" {
            return Ok(());
        }
    }
}

/// Reads up to the next line feed; how many bytes before it were kept. What comes between a
/// look and the halt is not missed: interrupts are off until the halt itself.
fn read_line(console: &mut Console, line: &mut [u8]) -> usize {
    let mut length = 0_usize;
    loop {
        match console.receive() {
            Some(b'\n') => return length,
            Some(byte) => {
                if let Some(slot) = line.get_mut(length) {
                    *slot = byte;
                    length = length.wrapping_add(1);
                }
            }
            None => instruction::wait_for_interrupt(),
        }
    }
}
