//! The record of a mistake of ours: what, where, and how we got there, then this core stops.
//!
//! Addresses are printed so that `cargo xtask symbolize` can turn them into names.

use core::panic::PanicInfo;

use x86_64::registers::control::Cr2;

use crate::cpu::core::Core;
use crate::cpu::interrupts::Frame;
use crate::host::console::print_after_crash;
use crate::host::given_up::{self, Since};
use crate::host::paging;

const BREAKPOINT_VECTOR: u64 = 3;
/// How many return addresses are printed.
const MAXIMUM_DEPTH: usize = 24;

const EXCEPTIONS: [&str; 22] = [
    "divide error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid opcode",
    "device not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid TSS",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "reserved exception",
    "x87 floating point",
    "alignment check",
    "machine check",
    "SIMD floating point",
    "virtualization exception",
    "control protection exception",
];

macro_rules! record {
    ($($argument:tt)*) => {
        print_after_crash(format_args!("[bulkhead] crash: {}\n", format_args!($($argument)*)))
    };
}

/// Records an exception in root mode and stops this core.
pub fn exception(frame: &Frame) -> ! {
    let executed = match frame.vector {
        // INT3 is one byte long.
        BREAKPOINT_VECTOR => frame.rip.wrapping_sub(1),
        _ => frame.rip,
    };
    match given_up::since(executed) {
        Some(Since::Sealing) => record!(
            "sealed text executed at {executed:#x} on core {CoreName}: its guest has made an exit \
             that a sealed machine does not answer"
        ),
        Some(Since::Boot) => record!(
            "text executed at {executed:#x} on core {CoreName} that was given up after the boot"
        ),
        None => {}
    }
    let index = usize::try_from(frame.vector).unwrap_or(usize::MAX);
    let name = EXCEPTIONS
        .get(index)
        .copied()
        .unwrap_or("reserved exception");
    record!("{name} (vector {}) on core {}", frame.vector, CoreName);
    record!(
        "error code {:#x} cr2 {:#x}",
        frame.error_code,
        Cr2::read_raw()
    );
    record!(
        "rip {:#x} rsp {:#x} rflags {:#x}",
        frame.rip,
        frame.rsp,
        frame.rflags
    );
    let names = ["r15", "r14", "r13", "r12", "r11", "r10", "r9", "r8"];
    let others = ["rbp", "rdi", "rsi", "rdx", "rcx", "rbx", "rax"];
    for (name, value) in names.iter().chain(&others).zip(frame.registers) {
        record!("{name} {value:#x}");
    }
    trace(frame.rbp());
    stop()
}

#[panic_handler]
fn panic(information: &PanicInfo<'_>) -> ! {
    record!("{} on core {}", information.message(), CoreName);
    if let Some(location) = information.location() {
        record!("at {location}");
    }
    let frame_pointer: u64;
    // SAFETY: copying RBP has no effect.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) frame_pointer, options(nomem, nostack)) };
    trace(frame_pointer);
    stop()
}

/// Prints the return addresses along the chain of stack frames that starts at `frame_pointer`.
fn trace(mut frame_pointer: u64) {
    for _ in 0..MAXIMUM_DEPTH {
        // A frame is a pair of words on a stack of ours: the caller's frame, the return address.
        let Some(words) = paging::stack_words(frame_pointer) else {
            break;
        };
        let [caller, return_address] = words;
        record!("called from {return_address:#x}");
        if caller <= frame_pointer {
            break;
        }
        frame_pointer = caller;
    }
}

fn stop() -> ! {
    record!("this core stops; `cargo xtask symbolize` names the addresses");
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}

/// Prints the x2APIC ID of the core that runs, if it is known.
struct CoreName;

impl core::fmt::Display for CoreName {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match Core::current() {
            Some(core) => write!(formatter, "{}", core.id),
            None => formatter.write_str("unknown"),
        }
    }
}
