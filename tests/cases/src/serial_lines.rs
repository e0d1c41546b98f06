//! The machine's serial lines have the speed that everybody else expects of them.

use anyhow::{Context, Result, ensure};
use harness::{Bench, Monitor};

use crate::plans::{Guest, start_managed};
use crate::transcript::LIMIT;

/// The console's and the management channel's 16550.
const PORTS: [u16; 2] = [0x3f8, 0x2f8];
/// Offset of the line control register; its value for 8 bits, no parity and one stop bit, and
/// the bit that shows the divisor (National Semiconductor PC16550D, section 8.1).
const LINE_CONTROL: u16 = 3;
const EIGHT_BITS: u8 = 0b11;
const DIVISOR_ACCESS: u8 = 1 << 7;
/// Of 115,200 baud.
const DIVISOR: [u8; 2] = [1, 0];

/// Both lines are at 115,200 baud, 8N1, in the registers themselves: an emulator's lines carry
/// bytes at any speed.
pub fn have_their_speed(bench: &Bench) -> Result<()> {
    let mut emulator = start_managed(bench, &[Guest::alpha("spin")])?;
    emulator.wait_for_text("PASS spin", LIMIT)?;
    let monitor = emulator.monitor()?;
    for port in PORTS {
        let control = port.saturating_add(LINE_CONTROL);
        let found = read(monitor, control)?;
        ensure!(found == EIGHT_BITS, "line control of {port:#x}: {found:#x}");
        // Bulkhead's loop meets the divisor in place of data for a moment.
        let shown = EIGHT_BITS | DIVISOR_ACCESS;
        monitor.human(&format!("o /b {control:#x} {shown:#x}"))?;
        let divisor = [read(monitor, port)?, read(monitor, port.saturating_add(1))?];
        monitor.human(&format!("o /b {control:#x} {EIGHT_BITS:#x}"))?;
        ensure!(divisor == DIVISOR, "divisor of {port:#x}: {divisor:?}");
    }
    Ok(())
}

/// Reads one of the machine's ports: QEMU says `portb[0x03f8] = 0x01`.
fn read(monitor: &mut Monitor, port: u16) -> Result<u8> {
    let text = monitor.human(&format!("i /b {port:#x}"))?;
    let value = text.trim().rsplit_once("0x").map(|(_, value)| value);
    let value = value.and_then(|value| u8::from_str_radix(value, 16).ok());
    value.with_context(|| format!("QEMU's monitor said: {text}"))
}
