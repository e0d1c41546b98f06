//! What SVM must have, and turning it on.

use core::arch::x86_64::__cpuid;

use svm::Capabilities;
use x86_64::registers::model_specific::Msr;

use super::super::Missing;
use crate::cpu::core::OutOfFrames;
use crate::host::frames;

const EXTENDED_FEATURES: u32 = 0x8000_0001;
const SVM_FEATURES: u32 = 0x8000_000a;
/// CPUID Fn8000_0001 ECX.
const SVM: u32 = 1 << 2;

/// Whether the CPU has SVM at all.
pub fn is_present() -> bool {
    let has_leaf = __cpuid(0x8000_0000).eax >= SVM_FEATURES;
    has_leaf && __cpuid(EXTENDED_FEATURES).ecx & SVM != 0
}

/// Whether this core has SVM with all that is required.
pub fn check() -> Result<(), Missing> {
    let missing = |what, remedy| Err(Missing { what, remedy });
    if !is_present() {
        return missing("SVM", "enable it in the firmware, or use a CPU that has it");
    }
    // SAFETY: VM_CR exists where CPUID says SVM; reading has no effect.
    let vm_cr = unsafe { Msr::new(svm::MSR_VM_CR).read() };
    if vm_cr & svm::VM_CR_SVMDIS != 0 {
        return missing(
            "SVM (VM_CR.SVMDIS is set)",
            "the firmware has locked it: enable it there",
        );
    }
    match capabilities().missing() {
        Some(what) => missing(
            what,
            "use a CPU that has it, or under QEMU use -cpu EPYC-Rome,+x2apic",
        ),
        None => Ok(()),
    }
}

/// What CPUID says of SVM.
pub fn capabilities() -> Capabilities {
    let leaf = __cpuid(SVM_FEATURES);
    Capabilities {
        address_spaces: leaf.ebx,
        features: leaf.edx,
    }
}

/// Sets EFER.SVME and gives the core the page that VMRUN saves root mode's state in.
pub fn enable() -> Result<(), OutOfFrames> {
    let save_area = frames::allocate(1).ok_or(OutOfFrames)?.range().start();
    let mut efer = Msr::new(svm::MSR_EFER);
    // SAFETY: reading EFER has no effect.
    let value = unsafe { efer.read() };
    // SAFETY: `check` has found SVM; SVME only makes its instructions valid.
    unsafe { efer.write(value | svm::EFER_SVME) };
    // SAFETY: the frame is taken for this and never used for anything else.
    unsafe { Msr::new(svm::MSR_VM_HSAVE_PA).write(save_area.as_u64()) };
    Ok(())
}
