//! What guests leave behind in registers that root mode does not use and that not every back
//! end exchanges. All of it is put into its state after a reset before a virtual CPU begins, so
//! that no guest sees anything of the one before.
//!
//! Machine state on entry: root mode at rest, interrupts on, CR0.EM and CR0.TS clear.

use core::arch::asm;

use vdev::processor::{Condition, Processor};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;

use super::instruction::{cpuid, write_xcr0};
use crate::cpu::interrupts;

/// Registers that are 0 after a reset, where the CPU has them.
const CLEARED: [(u32, Condition); 7] = [
    (IA32_SPEC_CTRL, Condition::SpeculationControl),
    (IA32_TSC_AUX, Condition::TscAux),
    // These SVM exchanges and VMX does not.
    (IA32_STAR, Condition::Always),
    (IA32_LSTAR, Condition::Always),
    (IA32_CSTAR, Condition::Always),
    (IA32_FMASK, Condition::Always),
    (IA32_KERNEL_GS_BASE, Condition::Always),
];
const IA32_STAR: u32 = 0xc000_0081;
const IA32_LSTAR: u32 = 0xc000_0082;
const IA32_CSTAR: u32 = 0xc000_0083;
const IA32_FMASK: u32 = 0xc000_0084;
const IA32_KERNEL_GS_BASE: u32 = 0xc000_0102;
const IA32_SPEC_CTRL: u32 = 0x48;
const IA32_TSC_AUX: u32 = 0xc000_0103;

/// XCR0 after a reset: x87 state alone.
const XCR0_X87: u64 = 1 << 0;
const XSAVE: u32 = 1 << 26;
const XSAVE_LEAF: u32 = 0xd;

/// Clears the core that runs.
pub fn clear(processor: Processor) {
    enable_caches();
    clear_debug_addresses();
    clear_extended_state();
    for (number, condition) in CLEARED {
        if processor.meets(condition) {
            // SAFETY: the CPU has the register, which root mode does not depend on.
            unsafe { Msr::new(number).write(0) };
        }
    }
    interrupts::drop_held_back();
}

/// CR0.CD and CR0.NW, which VMX's entries and exits leave as they are (Intel SDM 325384-080, volume
/// 3C, section 28.5.1 "Loading Host Control Registers, Debug Registers, MSRs").
fn enable_caches() {
    let off = Cr0Flags::CACHE_DISABLE | Cr0Flags::NOT_WRITE_THROUGH;
    // SAFETY: what is cached does not change what is in memory; both bits clear is a valid state.
    unsafe { Cr0::update(|flags| flags.remove(off)) };
}

/// DR0 to DR3; DR6 and DR7 are exchanged with the guest.
fn clear_debug_addresses() {
    // SAFETY: breakpoints are off in root mode, so their addresses mean nothing.
    unsafe {
        asm!(
            "mov dr0, {0}", "mov dr1, {0}", "mov dr2, {0}", "mov dr3, {0}",
            in(reg) 0_u64, options(nomem, nostack, preserves_flags)
        )
    };
}

/// An XSAVE area in standard form, which begins as an FXSAVE area does (Intel SDM 325383-080,
/// volume 1, section 13.4 "XSAVE Area"). It holds the registers of x87 and SSE, all zero, for
/// an initial state by XSTATE_BV need not clear those of x87; by XSTATE_BV all components
/// beyond are in their initial state.
#[repr(C, align(64))]
struct Area {
    x87_control: u16,
    x87_other: [u8; 22],
    mxcsr: u32,
    registers: [u8; 484],
    xstate_bv: u64,
    header: [u8; 56],
}

const _: () = {
    assert!(core::mem::offset_of!(Area, mxcsr) == 24);
    assert!(core::mem::offset_of!(Area, xstate_bv) == 512 && size_of::<Area>() == 576);
};

static INITIAL: Area = Area {
    x87_control: 0x037f,
    x87_other: [0; 22],
    mxcsr: 0x1f80,
    registers: [0; 484],
    xstate_bv: 0b11,
    header: [0; 56],
};

/// x87, SSE, AVX and whatever else XCR0 can enable, and XCR0 itself.
fn clear_extended_state() {
    let area = &raw const INITIAL;
    if cpuid(1, 0).ecx & XSAVE == 0 {
        // SAFETY: root mode uses none of this state; SSE exists on every x86-64 CPU.
        unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::OSFXSR)) };
        // SAFETY: the area is 512 bytes and more, aligned, and holds a state that is valid.
        unsafe { asm!("fxrstor64 [{}]", in(reg) area, options(readonly, nostack)) };
        return;
    }
    // SAFETY: as above; OSXSAVE makes XSETBV and XRSTOR valid, which the CPU has.
    unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::OSFXSR | Cr4Flags::OSXSAVE)) };
    let supported = cpuid(XSAVE_LEAF, 0);
    write_xcr0(u64::from(supported.edx) << 32 | u64::from(supported.eax));
    // SAFETY: the area is a valid one of 576 bytes, and it says that it has nothing beyond.
    unsafe {
        asm!(
            "xrstor64 [{}]", in(reg) area, in("eax") u32::MAX, in("edx") u32::MAX,
            options(readonly, nostack)
        )
    };
    write_xcr0(XCR0_X87);
}
