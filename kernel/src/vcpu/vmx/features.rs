//! What VMX must have, and turning it on.

use core::arch::x86_64::{__cpuid, __cpuid_count};

use addr::PageSize;
use vmx::{Capabilities, Controls, Secondary, msr};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags};
use x86_64::registers::model_specific::Msr;

use super::super::Missing;
use super::region;
use crate::cpu::core::OutOfFrames;

/// CPUID.1:ECX.
const VMX: u32 = 1 << 5;
const XSAVE: u32 = 1 << 26;
/// CPUID.7.0:EDX: IA32_ARCH_CAPABILITIES exists.
const ARCH_CAPABILITIES: u32 = 1 << 29;
/// VPIDs have 16 bits.
pub const ADDRESS_SPACES: u32 = 1 << 16;

/// Whether the CPU has VMX at all.
pub fn is_present() -> bool {
    __cpuid(1).ecx & VMX != 0
}

/// Whether this core has VMX with all that is required.
pub fn check() -> Result<(), Missing> {
    let missing = |what, remedy| Err(Missing { what, remedy });
    if !is_present() {
        return missing("VMX", "enable it in the firmware, or use a CPU that has it");
    }
    let control = read(msr::FEATURE_CONTROL);
    if control & msr::FEATURE_CONTROL_LOCK != 0 && control & msr::FEATURE_CONTROL_VMX == 0 {
        return missing(
            "VMX (IA32_FEATURE_CONTROL is locked without it)",
            "the firmware has locked it: enable it there",
        );
    }
    if let Err(unmet) = Controls::resolve(&capabilities(), optional()) {
        return missing(unmet.0, "Bulkhead needs it; use a CPU that has it");
    }
    if __cpuid(1).ecx & XSAVE == 0 {
        return missing("XSAVE", "Bulkhead needs it for XSETBV, which always exits");
    }
    Ok(())
}

/// CVE-2018-12207: on a CPU that does not deny it a guest can change the size of a page that
/// it executes and stop the machine by a machine check. The cure, leaves of 4 KiB for all that
/// can be executed, would cost every guest more than the fault is worth to most.
pub fn caution() -> Option<&'static str> {
    let has = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & ARCH_CAPABILITIES != 0;
    let is_safe =
        has && read(msr::ARCH_CAPABILITIES) & msr::ARCH_CAPABILITIES_PAGE_SIZE_CHANGE_SAFE != 0;
    (!is_safe).then_some(
        "the CPU does not say IF_PSCHANGE_MC_NO: a guest may be able to stop the machine by a \
         machine check (CVE-2018-12207)",
    )
}

/// What the capability MSRs of this core say.
pub fn capabilities() -> Capabilities {
    Capabilities::read(read)
}

/// The control words for this core, which `check` has found to be possible.
pub fn controls() -> Option<Controls> {
    Controls::resolve(&capabilities(), optional()).ok()
}

/// The largest leaf of the extended page tables.
pub fn largest_page() -> PageSize {
    if capabilities().has_1_gib_leaves() {
        PageSize::Size1GiB
    } else {
        PageSize::Size2MiB
    }
}

/// The instructions of this CPU that a guest has only by a control.
fn optional() -> Secondary {
    const RDTSCP: u32 = 1 << 27;
    const RDPID: u32 = 1 << 22;
    const INVPCID: u32 = 1 << 10;
    const XSAVES: u32 = 1 << 3;
    let seven = __cpuid_count(7, 0);
    let has_rdtscp = __cpuid(0x8000_0001).edx & RDTSCP != 0 || seven.ecx & RDPID != 0;
    let has_xsaves = __cpuid(0).eax >= 0xd && __cpuid_count(0xd, 1).eax & XSAVES != 0;
    let all = [
        (has_rdtscp, Secondary::ENABLE_RDTSCP),
        (seven.ebx & INVPCID != 0, Secondary::ENABLE_INVPCID),
        (has_xsaves, Secondary::ENABLE_XSAVES),
    ];
    let there = all.into_iter().filter(|(is_there, _)| *is_there);
    there.fold(Secondary::default(), |sum, (_, one)| sum.with(one))
}

/// Enters VMX operation (SDM, section 24.7 "Enabling and Entering VMX Operation", and section
/// 24.8 "Restrictions on VMX Operation").
pub fn enable() -> Result<(), OutOfFrames> {
    let control = read(msr::FEATURE_CONTROL);
    if control & msr::FEATURE_CONTROL_LOCK == 0 {
        let enabled = control | msr::FEATURE_CONTROL_LOCK | msr::FEATURE_CONTROL_VMX;
        // SAFETY: the register exists where CPUID says VMX, and is not locked.
        unsafe { Msr::new(msr::FEATURE_CONTROL).write(enabled) };
    }
    // SAFETY: NE, the only one of the fixed bits that may be missing, tells of x87 errors by
    // an exception; root mode uses no x87.
    unsafe { Cr0::update(|flags| flags.insert(Cr0Flags::NUMERIC_ERROR)) };
    let wanted = Cr4Flags::VIRTUAL_MACHINE_EXTENSIONS | Cr4Flags::OSXSAVE;
    // SAFETY: both only make instructions valid; `check` has found that the CPU has them.
    unsafe { Cr4::update(|flags| flags.insert(wanted)) };
    // SAFETY: the three are as they must be, and a core comes here once.
    unsafe { region::enter_vmx_operation() }
}

fn read(number: u32) -> u64 {
    // SAFETY: the callers ask for registers that CPUID or another capability register has said
    // to exist; reading them has no effect.
    unsafe { Msr::new(number).read() }
}
