//! Loads good and bad values into XCR0 by XSETBV (Intel SDM 325462-080, volume 1, section
//! 13.3 "Enabling the XSAVE Feature Set and XSAVE-Enabled Features").
//!
//! What CPUID offers is taken, reads back and shows in the size that CPUID tells; all else
//! faults and changes nothing.

#![no_std]
#![no_main]

use test_guests::control_registers::{cr4, read_cr4, read_extended, write_cr4, write_extended};
use test_guests::instruction::cpuid;
use test_guests::{Exception, Verdict, ensure, guest, say};

guest!(main);

const XCR0: u32 = 0;
/// Leaf 1, ECX: XSAVE is there; it is switched on.
const XSAVE: u32 = 1 << 26;
const OSXSAVE: u32 = 1 << 27;
/// The leaf of state components.
const STATE: u32 = 0xd;
/// Component bits: x87, SSE, AVX; and the one that is no component.
const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
const AVX512: u64 = 0b111 << 5;
const COMPONENTS: u32 = 64;
/// The size of x87 and SSE state with the header; AVX' comes behind it.
const BASIC_BYTES: u32 = 576;

fn main() -> Verdict {
    ensure!(cpuid(1, 0).ecx & XSAVE != 0, "there is no XSAVE");
    check_switched_off()?;
    ensure!(switch(true), "CR4.OSXSAVE cannot be set");
    ensure!(is_switched_on(), "CPUID does not show CR4.OSXSAVE");
    let state = cpuid(STATE, 0);
    let offered = u64::from(state.edx) << 32 | u64::from(state.eax);
    ensure!(offered & (X87 | SSE) == X87 | SSE, "offered: {offered:#x}");
    for value in good_values(offered) {
        check_taken(value)?;
    }
    let mut refused: u32 = 0;
    for value in bad_values(offered) {
        check_refused(XCR0, value)?;
        refused = refused.wrapping_add(1);
    }
    for register in [1, 2, u32::MAX] {
        check_refused(register, offered)?;
    }
    say!("offered {offered:#x}; {refused} values refused");
    ensure!(switch(false), "CR4.OSXSAVE cannot be cleared");
    check_switched_off()
}

/// Sets or clears CR4.OSXSAVE.
fn switch(on: bool) -> bool {
    let value = if on {
        read_cr4() | cr4::OSXSAVE
    } else {
        read_cr4() & !cr4::OSXSAVE
    };
    write_cr4(value).is_ok() && read_cr4() == value
}

fn is_switched_on() -> bool {
    cpuid(1, 0).ecx & OSXSAVE != 0
}

/// Without CR4.OSXSAVE the instructions are undefined, and CPUID says so.
fn check_switched_off() -> Verdict {
    ensure!(!is_switched_on(), "CPUID shows OSXSAVE without CR4's");
    let undefined = |raised: Option<Exception>| {
        raised.is_some_and(|exception| exception.vector == Exception::INVALID_OPCODE)
    };
    let read = read_extended(XCR0).err();
    ensure!(undefined(read), "XGETBV without CR4.OSXSAVE: {read:?}");
    let write = write_extended(XCR0, X87).err();
    ensure!(undefined(write), "XSETBV without CR4.OSXSAVE: {write:?}");
    Ok(())
}

/// From the least to everything and back.
fn good_values(offered: u64) -> impl Iterator<Item = u64> {
    let avx = X87 | SSE | AVX;
    [X87, X87 | SSE, avx & offered, offered, X87 | SSE, offered].into_iter()
}

/// The value is taken, reads back, and CPUID tells the size of the state that it makes.
fn check_taken(value: u64) -> Verdict {
    let written = write_extended(XCR0, value);
    ensure!(written.is_ok(), "XCR0 = {value:#x}: {written:?}");
    let read = read_extended(XCR0);
    ensure!(read == Ok(value), "XCR0 = {value:#x} reads {read:x?}");
    let bytes = cpuid(STATE, 0).ebx;
    let plausible = if value & !(X87 | SSE) == 0 {
        bytes == BASIC_BYTES
    } else {
        bytes > BASIC_BYTES && bytes <= cpuid(STATE, 0).ecx
    };
    ensure!(plausible, "XCR0 = {value:#x} takes {bytes} bytes");
    Ok(())
}

/// Sets without x87, AVX without SSE, AVX-512 in parts, and each component that is not offered.
fn bad_values(offered: u64) -> impl Iterator<Item = u64> {
    let without_x87 = [0, SSE, offered & !X87];
    let incomplete = [X87 | AVX, X87 | SSE | AVX | (1 << 5), X87 | SSE | AVX512];
    let not_offered = (0..COMPONENTS)
        .map(|component| 1_u64 << component)
        .filter(move |bit| offered & bit == 0)
        .map(move |bit| offered | bit);
    without_x87.into_iter().chain(incomplete).chain(not_offered)
}

/// Writing raises `#GP` and leaves XCR0 as it was.
fn check_refused(register: u32, value: u64) -> Verdict {
    let before = read_extended(XCR0);
    let written = write_extended(register, value);
    let refused = written.is_err_and(|exception| exception.vector == Exception::GENERAL_PROTECTION);
    ensure!(refused, "XCR{register} = {value:#x}: {written:?}");
    let after = read_extended(XCR0);
    ensure!(after == before, "XCR0 was {before:x?} and is {after:x?}");
    Ok(())
}
