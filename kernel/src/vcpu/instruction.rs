//! Instructions that are executed for a guest, and the bytes of those that it executed.

use core::arch::x86_64::__cpuid_count;

use vdev::cpuid::Answer;
use vdev::mov::Bytes;
use vdev::walk::{self, ControlRegisters, Paging};

use super::CodeState;
use crate::partition::memory::GuestRam;

/// CPUID as this core answers it.
pub fn cpuid(leaf: u32, subleaf: u32) -> Answer {
    let result = __cpuid_count(leaf, subleaf);
    Answer {
        eax: result.eax,
        ebx: result.ebx,
        ecx: result.ecx,
        edx: result.edx,
    }
}

/// XSETBV of XCR0. `value` is one that the CPU takes: `vdev::cpuid::is_valid_xcr0`, or what
/// CPUID leaf 0Dh offers. CR4.OSXSAVE must be set.
pub fn write_xcr0(value: u64) {
    let (low, high) = (value as u32, (value >> 32) as u32);
    // SAFETY: root mode uses none of the state that XCR0 enables.
    unsafe {
        core::arch::asm!(
            "xsetbv", in("ecx") 0, in("eax") low, in("edx") high,
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// WBINVD.
pub fn write_back_caches() {
    // SAFETY: writing caches back changes no memory that anybody can see.
    unsafe { core::arch::asm!("wbinvd", options(nostack, preserves_flags)) };
}

/// Clears MCG_STATUS.MCIP: while it is set, a further machine check shuts the core down.
pub fn end_machine_check() {
    const MCG_STATUS: u32 = 0x179 + 1;
    // SAFETY: a CPU that has just raised a machine check has the register; clearing it tells
    // that the check has been seen.
    unsafe { x86_64::registers::model_specific::Msr::new(MCG_STATUS).write(0) };
}

/// How the guest pages.
pub const fn paging(state: &CodeState) -> Paging {
    let CodeState {
        cr0,
        cr3,
        cr4,
        efer,
        ..
    } = *state;
    Paging::from_registers(&ControlRegisters {
        cr0,
        cr3,
        cr4,
        efer,
    })
}

/// The bytes of the guest's next instruction, as many as can be read; `None` if that is none.
pub fn fetch(memory: &GuestRam, state: &CodeState) -> Option<Bytes> {
    const PAGE: u64 = 4096;
    const WINDOW: u8 = 16;
    let read = |address| {
        let physical = walk::translate(address, paging(state), |at| memory.read_u64(at))?;
        memory.read_u128(physical)
    };
    let start = if state.code_long {
        state.rip
    } else {
        state.code_base.wrapping_add(state.rip)
    };
    // What is read lies in one page. Where an instruction may end in the next one, it is the end
    // of the first page, with bytes in front of the instruction, and then the start of the next.
    let last = PAGE.wrapping_sub(WINDOW.into());
    let before = (start & PAGE.wrapping_sub(1)).saturating_sub(last) as u8;
    let window = start.wrapping_sub(before.into());
    let bits = |bytes: u8| u32::from(bytes).wrapping_mul(8);
    let first = read(window)?.wrapping_shr(bits(before));
    if before == 0 {
        return Some(Bytes::new(first, WINDOW));
    }
    let known = WINDOW.wrapping_sub(before);
    Some(match read(window.wrapping_add(WINDOW.into())) {
        Some(second) => Bytes::new(first | second.wrapping_shl(bits(known)), WINDOW),
        None => Bytes::new(first, known),
    })
}
