//! What happens when a core is interrupted in root mode.
//!
//! An NMI means that somebody asks something of the core: it makes a waiting core's HLT end.
//! Any other exception is a mistake of ours and ends in a crash record. External
//! interrupts only wake the core; a guest's interrupt that arrives late is ended and dropped.

use core::arch::global_asm;

use super::core::Core;
use super::{descriptors, local_apic};
use crate::crash;

global_asm!(include_str!("interrupts.s"), options(att_syntax));

const NMI_VECTOR: u64 = 2;
const FIRST_EXTERNAL_VECTOR: u64 = 32;

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
        _ => local_apic::end_of_interrupt(),
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
    if !local_apic::has_held_back() {
        return;
    }
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
