//! What happens when a core is interrupted in root mode.
//!
//! What an NMI means depends on how cores are kicked: see `core.rs`. Any other exception is a
//! mistake of ours and ends in a crash record. External interrupts only make a waiting core's
//! HLT end; a guest's interrupt that arrives late is ended and dropped.

use core::arch::global_asm;

use super::core::Core;
use super::{descriptors, local_apic, port};
use crate::crash;

global_asm!(include_str!("interrupts.s"), options(att_syntax));

const NMI_VECTOR: u64 = 2;
const FIRST_EXTERNAL_VECTOR: u64 = 32;
/// The interrupt mask registers of the two 8259A (Intel 8259A data sheet, "Operation Command
/// Word 1").
const LEGACY_MASKS: [u16; 2] = [0x21, 0xa1];
const WAKE_VECTOR: u64 = local_apic::WAKE_VECTOR as u64;
/// How often interrupts are let in for those that were held back. One is enough where the CPU sees
/// at once that their priority is open; no manual says when it does.
const DRAIN_ATTEMPTS: u32 = 1_000;

/// The machine's state at an interrupt, as `interrupts.s` leaves it on the stack.
#[repr(C)]
pub struct Frame {
    /// R15 to R8, then RBP, RDI, RSI, RDX, RCX, RBX, RAX.
    pub registers: [u64; 15],
    /// The vector.
    pub vector: u64,
    /// The exception's error code, 0 where it has none.
    pub error_code: u64,
    /// Where the core was.
    pub rip: u64,
    /// Its code segment.
    pub cs: u64,
    /// Its flags.
    pub rflags: u64,
    /// Its stack.
    pub rsp: u64,
    /// Its stack segment.
    pub ss: u64,
}

impl Frame {
    /// RBP, the innermost link of the chain of stack frames.
    pub const fn rbp(&self) -> u64 {
        self.registers[8]
    }
}

#[unsafe(no_mangle)]
extern "C" fn interrupt(frame: &Frame) {
    match frame.vector {
        NMI_VECTOR => Core::notice_nmi(),
        0..FIRST_EXTERNAL_VECTOR => crash::exception(frame),
        WAKE_VECTOR => {
            Core::notice_wake();
            local_apic::end_of_interrupt();
        }
        _ => local_apic::end_of_interrupt(),
    }
}

/// Masks every input of the two 8259A. Firmware leaves the PIT's running, on vector 8, which
/// is the double fault's; and masking the local APIC's LINT0 does not stop it everywhere:
/// Bochs wires the 8259A past the local APIC.
pub fn mask_legacy_controllers() {
    for register in LEGACY_MASKS {
        // SAFETY: no other code uses these controllers, and no interrupt of theirs is wanted;
        // a machine without them ignores the write.
        unsafe { port::write_u8(register, 0xff) };
    }
}

/// Waits for the next interrupt, unless `ready` holds already. No interrupt is lost between
/// the question and the wait: they are off until HLT itself.
pub fn wait_unless(ready: impl FnOnce() -> bool) {
    x86_64::instructions::interrupts::disable();
    if ready() {
        x86_64::instructions::interrupts::enable();
    } else {
        x86_64::instructions::interrupts::enable_and_hlt();
    }
}

/// Takes and drops what an earlier guest has left pending on vectors 16 to 31, which root
/// mode's own table has exceptions on. Interrupts are on before and after.
pub fn drop_held_back() {
    let mut attempts = 0..DRAIN_ATTEMPTS;
    while local_apic::has_held_back() && attempts.next().is_some() {
        let_held_back_in();
    }
}

fn let_held_back_in() {
    x86_64::instructions::interrupts::disable();
    descriptors::load_draining_table();
    local_apic::open_all_priorities();
    x86_64::instructions::interrupts::enable();
    // STI takes effect one instruction later; from here on one comes after the other.
    x86_64::instructions::nop();
    x86_64::instructions::interrupts::disable();
    local_apic::hold_exception_vectors();
    descriptors::load_interrupt_table();
    x86_64::instructions::interrupts::enable();
}
