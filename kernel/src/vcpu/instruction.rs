//! Instructions that are executed for a guest, and the bytes of those that it executed.

use core::arch::x86_64::__cpuid_count;

use addr::{Address, GuestPhysical};
use vdev::cpuid::Answer;
use vdev::mov::MAXIMUM_LENGTH;
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

/// The bytes of the guest's next instruction: how many could be read, and those.
pub fn fetch(memory: &GuestRam, state: &CodeState) -> ([u8; MAXIMUM_LENGTH], usize) {
    let mut bytes = [0; MAXIMUM_LENGTH];
    let paging = paging(state);
    let start = if state.code_long {
        state.rip
    } else {
        state.code_base.wrapping_add(state.rip)
    };
    let mut page: Option<(u64, GuestPhysical)> = None;
    let mut count = 0_usize;
    for (distance, byte) in (0_u64..).zip(&mut bytes) {
        let address = start.wrapping_add(distance);
        let base = address & !0xfff;
        if page.is_none_or(|(known, _)| known != base) {
            let walked = walk::translate(base, paging, |at| memory.read_u64(at));
            page = walked.map(|physical| (base, physical));
        }
        let physical = page.and_then(|(_, physical)| physical.checked_add(address & 0xfff));
        let Some(value) = physical.and_then(|at| memory.read_u8(at)) else {
            break;
        };
        *byte = value;
        count = count.wrapping_add(1);
    }
    (bytes, count)
}
