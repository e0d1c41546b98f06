//! Registers that a hypervisor may forget to put back: filled by one guest, looked at by the
//! next one on the same core.
//!
//! DR0 to DR3, CR0.CD, x87, SSE and AVX state, XCR0, and model-specific registers.

use core::arch::asm;

use crate::instruction::{cpuid, read_msr, write_msr};
use crate::{Exception, Failure, Verdict, ensure};

/// `CR4.OSFXSR`, and `CR4.OSXSAVE`.
const EXTENDED_STATE: u64 = 1 << 9 | 1 << 18;
/// `CR0.NW` and `CR0.CD`.
const CACHE_CONTROLS: u64 = 0b11 << 29;
const CACHE_DISABLE: u64 = 1 << 30;
/// XCR0: x87; and with SSE and AVX.
const X87: u64 = 0b1;
const X87_SSE_AVX: u64 = 0b111;
/// CPUID leaf 1, `ECX`: AVX.
const AVX: u32 = 1 << 28;

/// Registers that take any canonical address, and their names.
const MODEL_SPECIFIC: [(u32, &str); 5] = [
    (0xc000_0081, "STAR"),
    (0xc000_0082, "LSTAR"),
    (0xc000_0083, "CSTAR"),
    (0xc000_0102, "kernel GS base"),
    (0xc000_0103, "TSC_AUX"),
];

/// An area for FXSAVE (Intel SDM 325383-080, volume 1, section 10.5.1 "FXSAVE Area").
#[repr(C, align(16))]
struct Area([u8; 512]);

/// MXCSR in it, and its value after a reset.
const MXCSR: core::ops::Range<usize> = 24..28;
const MXCSR_AFTER_RESET: [u8; 4] = 0x1f80_u32.to_le_bytes();
/// The x87 and SSE registers in it.
const REGISTERS: core::ops::Range<usize> = 32..416;

/// Fills all of them with a value that is not the one after a reset.
///
/// # Errors
/// A register does not take it.
pub fn fill() -> Verdict {
    const VALUE: u64 = 0x1234_5678;
    // SAFETY: no breakpoint is on, so the addresses mean nothing.
    unsafe { asm!("mov dr0, {0}", "mov dr1, {0}", "mov dr2, {0}", "mov dr3, {0}", in(reg) VALUE) };
    // SAFETY: without caches memory is the same.
    unsafe { asm!("mov cr0, {}", in(reg) read_cr0() | CACHE_DISABLE) };
    enable();
    if has_avx() {
        write_xcr0(X87_SSE_AVX);
    }
    // SAFETY: nothing here keeps a value in these registers.
    unsafe { asm!("fldpi", "movq xmm0, {0}", "movq xmm15, {0}", in(reg) VALUE) };
    if has_avx() {
        // SAFETY: XCR0 has AVX on; nothing here keeps a value in the register.
        unsafe { asm!("vinsertf128 ymm0, ymm0, xmm0, 1") };
    }
    for (msr, name) in MODEL_SPECIFIC {
        write_msr(msr, VALUE).map_err(|why| faulted(name, why))?;
    }
    Ok(())
}

/// Looks whether all of them are as after a reset.
///
/// # Errors
/// Names one that is not.
pub fn check() -> Verdict {
    let (a, b, c, d): (u64, u64, u64, u64);
    // SAFETY: reading has no effect.
    unsafe {
        asm!("mov {0}, dr0", "mov {1}, dr1", "mov {2}, dr2", "mov {3}, dr3",
            out(reg) a, out(reg) b, out(reg) c, out(reg) d)
    };
    let addresses = [a, b, c, d];
    ensure!(addresses == [0; 4], "DR0 to DR3 are {addresses:x?}");
    let cr0 = read_cr0();
    ensure!(cr0 & CACHE_CONTROLS == 0, "CR0 is {cr0:#x}: no caches");
    enable();
    let xcr0 = read_xcr0();
    ensure!(xcr0 == X87, "XCR0 is {xcr0:#x}");
    let mut area = Area([0; 512]);
    // SAFETY: the area has 512 bytes and its alignment.
    unsafe { asm!("fxsave64 [{}]", in(reg) area.0.as_mut_ptr(), options(nostack)) };
    let control = area.0.get(MXCSR).unwrap_or_default();
    ensure!(control == MXCSR_AFTER_RESET, "MXCSR is {control:x?}");
    let registers = area.0.get(REGISTERS).unwrap_or_default();
    let clear = registers.iter().all(|byte| *byte == 0);
    ensure!(clear, "x87 or SSE registers are not clear");
    if has_avx() {
        write_xcr0(X87_SSE_AVX);
        let upper: u64;
        // SAFETY: XCR0 has AVX on; nothing here keeps a value in the registers.
        unsafe { asm!("vextractf128 xmm1, ymm0, 1", "movq {}, xmm1", out(reg) upper) };
        ensure!(upper == 0, "the upper half of YMM0 is {upper:#x}");
    }
    for (msr, name) in MODEL_SPECIFIC {
        let value = read_msr(msr).map_err(|why| faulted(name, why))?;
        ensure!(value == 0, "{name} is {value:#x}");
    }
    Ok(())
}

fn faulted(name: &str, why: Exception) -> Failure {
    Failure::new(format_args!("{name}: {why}"))
}

fn has_avx() -> bool {
    cpuid(1, 0).ecx & AVX != 0
}

fn read_cr0() -> u64 {
    let cr0: u64;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr0", out(reg) cr0) };
    cr0
}

/// Lets the instructions for this state be executed.
fn enable() {
    let cr4: u64;
    // SAFETY: reading has no effect.
    unsafe { asm!("mov {}, cr4", out(reg) cr4) };
    // SAFETY: every processor of the tests has both, and they only make instructions valid.
    unsafe { asm!("mov cr4, {}", in(reg) cr4 | EXTENDED_STATE) };
}

fn read_xcr0() -> u64 {
    let (high, low): (u32, u32);
    // SAFETY: `CR4.OSXSAVE` is set.
    unsafe { asm!("xgetbv", in("ecx") 0, out("edx") high, out("eax") low) };
    u64::from(high) << 32 | u64::from(low)
}

fn write_xcr0(value: u64) {
    let low = u32::try_from(value).unwrap_or(0);
    // SAFETY: `CR4.OSXSAVE` is set, and the value is one that the processor has.
    unsafe { asm!("xsetbv", in("ecx") 0, in("edx") 0, in("eax") low) };
}
