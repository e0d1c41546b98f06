//! The instructions that Rust has no word for.
//!
//! Each is safe to call because the runtime owns the whole machine: there is no code here
//! whose soundness depends on what a port, a register or a device does. What an instruction
//! may fault on is for [`catch`].

use core::arch::asm;
use core::arch::x86_64::{__cpuid_count, CpuidResult};

use crate::{Exception, catch};

/// Reads a byte from an I/O port.
#[must_use]
pub fn in8(port: u16) -> u8 {
    let value: u8;
    // SAFETY: IN changes no memory and no flags.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads a word from an I/O port.
#[must_use]
pub fn in16(port: u16) -> u16 {
    let value: u16;
    // SAFETY: IN changes no memory and no flags.
    unsafe {
        asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Reads a doubleword from an I/O port.
#[must_use]
pub fn in32(port: u16) -> u32 {
    let value: u32;
    // SAFETY: IN changes no memory and no flags.
    unsafe {
        asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags))
    };
    value
}

/// Writes a byte to an I/O port.
pub fn out8(port: u16, value: u8) {
    // SAFETY: what a device does with the byte reaches no Rust object.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// Writes a word to an I/O port.
pub fn out16(port: u16, value: u16) {
    // SAFETY: what a device does with the word reaches no Rust object.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nostack, preserves_flags)) };
}

/// Writes a doubleword to an I/O port.
pub fn out32(port: u16, value: u32) {
    // SAFETY: what a device does with the doubleword reaches no Rust object.
    unsafe {
        asm!("out dx, eax", in("dx") port, in("eax") value, options(nostack, preserves_flags))
    };
}

/// Fills `bytes` from an I/O port by one string instruction.
pub fn in_string(port: u16, bytes: &mut [u8]) {
    // SAFETY: REP INSB writes RCX bytes from RDI on, which are `bytes`.
    unsafe {
        asm!("rep insb", in("dx") port, inout("rcx") bytes.len() => _,
            inout("rdi") bytes.as_mut_ptr() => _, options(nostack, preserves_flags));
    }
}

/// Writes `bytes` to an I/O port by one string instruction.
pub fn out_string(port: u16, bytes: &[u8]) {
    // SAFETY: REP OUTSB reads RCX bytes from RSI on, which are `bytes`.
    unsafe {
        asm!("rep outsb", in("dx") port, inout("rcx") bytes.len() => _,
            inout("rsi") bytes.as_ptr() => _, options(nostack, preserves_flags));
    }
}

/// Executes CPUID.
#[must_use]
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    __cpuid_count(leaf, subleaf)
}

/// Reads the time-stamp counter.
#[must_use]
pub fn time_stamp() -> u64 {
    // SAFETY: RDTSC exists on every processor with long mode, and `CR4.TSD` is clear.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Reads a model-specific register.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn read_msr(msr: u32) -> Result<u64, Exception> {
    catch(|| {
        let (high, low): (u32, u32);
        // SAFETY: RDMSR changes no memory and no flags; its fault is caught.
        unsafe {
            asm!("rdmsr", in("ecx") msr, out("edx") high, out("eax") low,
                options(nomem, nostack, preserves_flags));
        }
        u64::from(high) << 32 | u64::from(low)
    })
}

/// Writes a model-specific register.
///
/// # Errors
/// The [`Exception`] that it raised.
pub fn write_msr(msr: u32, value: u64) -> Result<(), Exception> {
    let [low, high] = halves(value);
    catch(|| {
        // SAFETY: the guests write only registers whose change leaves the runtime's own
        // state (paging, segments) as it is; a fault is caught.
        unsafe {
            asm!("wrmsr", in("ecx") msr, in("edx") high, in("eax") low,
                options(nostack, preserves_flags));
        }
    })
}

/// The low and the high half of a value.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves are what is asked for"
)]
pub(crate) const fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// Turns interrupts on for exactly as long as it takes for one to arrive, and waits for it.
pub fn wait_for_interrupt() {
    // SAFETY: STI holds interrupts back until HLT has begun, so that none is lost; the
    // handler keeps every register. Interrupts are off again afterwards.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Lets every pending interrupt in.
pub fn let_interrupts_in() {
    // SAFETY: the handler keeps every register; interrupts are off again afterwards.
    unsafe { asm!("sti", "nop", "nop", "cli", options(nostack)) };
}

/// Stays here for ever, with interrupts off and the processor busy.
pub fn spin_for_ever() -> ! {
    // SAFETY: it touches nothing and does not return.
    unsafe { asm!("cli", "2: jmp 2b", options(noreturn, nostack)) }
}

/// Halts until an interrupt that is let in, or an NMI.
pub fn halt() {
    // SAFETY: it touches nothing; the handlers keep every register.
    unsafe { asm!("hlt", options(nostack)) };
}

/// Stays here for ever, with interrupts off and the processor halted.
pub fn halt_for_ever() -> ! {
    // SAFETY: it touches nothing and does not return.
    unsafe { asm!("cli", "2: hlt", "jmp 2b", options(noreturn, nostack)) }
}

/// Shuts the processor down by a fault that no handler can be found for.
pub fn triple_fault() -> ! {
    let nothing = [0_u64; 2];
    // SAFETY: it does not return; nothing needs the descriptor table any more.
    unsafe { asm!("lidt [{}]", "ud2", in(reg) nothing.as_ptr(), options(noreturn, nostack)) }
}

/// Writes a register of the local APIC, from an interrupt handler, where nothing is caught.
pub(crate) fn write_register(msr: u32, value: u64) {
    let [low, high] = halves(value);
    // SAFETY: the registers of an enabled local APIC in x2APIC mode take this value.
    unsafe {
        asm!("wrmsr", in("ecx") msr, in("edx") high, in("eax") low,
            options(nostack, preserves_flags));
    }
}

/// Forgets every cached translation.
pub(crate) fn reload_paging() {
    // SAFETY: the page tables stay the same ones, and they map the runtime to itself.
    unsafe { asm!("mov {0}, cr3", "mov cr3, {0}", out(reg) _, options(nostack, preserves_flags)) };
}

/// Writes the interrupt command register, on a core where nothing is caught.
pub fn send_command(command: u64) {
    write_register(crate::apic::INTERRUPT_COMMAND, command);
}
