//! Resetting the machine.

use core::arch::asm;

use super::{port, time};

/// The Reset Control register of PC chipsets (Intel 500 Series PCH data sheet, volume 2,
/// 636174-005, "Reset Control Register (RST_CNT)"; AMD chipsets have it too): a hard reset
/// begins when RST_CPU goes from 0 to 1 while SYS_RST is set.
const RESET_CONTROL: u16 = 0xcf9;
const SYSTEM_RESET: u8 = 1 << 1;
const RESET_CPU: u8 = 1 << 2;
/// The keyboard controller's command port, and its command that pulses the reset line.
const KEYBOARD_COMMAND: u16 = 0x64;
const PULSE_RESET: u8 = 0xfe;
/// None of these takes longer.
const ATTEMPT_MILLISECONDS: u64 = 100;

/// Resets the machine, one way or another.
pub fn machine() -> ! {
    let attempts = [
        (RESET_CONTROL, SYSTEM_RESET),
        (RESET_CONTROL, SYSTEM_RESET | RESET_CPU),
        (KEYBOARD_COMMAND, PULSE_RESET),
    ];
    for (number, value) in attempts {
        // SAFETY: this is the end of everything that runs.
        unsafe { port::write_u8(number, value) };
        time::spin(ATTEMPT_MILLISECONDS);
    }
    let nothing = [0_u64; 2];
    // SAFETY: as above: without an IDT the exception shuts the core down, and the machine with it.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) nothing.as_ptr(), options(noreturn, nostack)) }
}
