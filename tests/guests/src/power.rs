//! The registers that end the machine: a partition's, and QEMU's for trials without Bulkhead.

use crate::exits;
use crate::instruction::{halt_for_ever, in8, out8, out16};

/// Sleep control register: the sleep type in bits 4:2, and sleep enable in bit 5.
const SLEEP_CONTROL: u16 = 0x600;
/// Sleep status register.
const SLEEP_STATUS: u16 = 0x601;
/// Reset register.
const RESET: u16 = 0x602;
const SOFT_OFF: u8 = 5 << 2 | 1 << 5;

/// The mask registers of the two 8259s.
const INTERRUPT_MASKS: [u16; 2] = [0x21, 0xa1];

/// QEMU's power management control register and its soft off.
const QEMU_CONTROL: u16 = 0x604;
const QEMU_SOFT_OFF: u16 = 1 << 13;

/// Powers the machine off.
pub fn off() -> ! {
    if exits::are_counted() {
        out8(SLEEP_CONTROL, SOFT_OFF);
    } else {
        out16(QEMU_CONTROL, QEMU_SOFT_OFF);
    }
    halt_for_ever()
}

/// Masks the interrupt controllers of a machine that is no partition: firmware has left its
/// timer running, and it would arrive on the vector of an exception.
pub(crate) fn leave_firmware_behind() {
    if !exits::are_counted() {
        for port in INTERRUPT_MASKS {
            out8(port, u8::MAX);
        }
    }
}

/// Writes the reset register; returns if that does nothing.
pub fn reset() {
    out8(RESET, 1);
}

/// Reads the sleep status register.
#[must_use]
pub fn read_sleep_status() -> u8 {
    in8(SLEEP_STATUS)
}
