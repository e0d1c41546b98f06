//! What a CPU's SVM can do, and where it is turned on.

use bitflags::bitflags;

/// EFER, the MSR that holds SVME.
pub const MSR_EFER: u32 = 0xc000_0080;
/// EFER.SVME: SVM's instructions are valid (APM volume 2, section 3.1.7 "Extended Feature
/// Enable Register (EFER)").
pub const EFER_SVME: u64 = 1 << 12;

/// VM_CR (APM volume 2, section 15.30.1 "VM_CR MSR").
pub const MSR_VM_CR: u32 = 0xc001_0114;
/// VM_CR.LOCK: SVMDIS cannot be changed.
pub const VM_CR_LOCK: u64 = 1 << 3;
/// VM_CR.SVMDIS: EFER.SVME must be 0.
pub const VM_CR_SVMDIS: u64 = 1 << 4;

/// VM_HSAVE_PA: the page in which VMRUN saves root mode's state (APM volume 2, section 15.30.4
/// "VM_HSAVE_PA MSR").
pub const MSR_VM_HSAVE_PA: u32 = 0xc001_0117;

bitflags! {
    /// CPUID Fn8000_000A EDX, "SVM Feature Identification" (APM volume 3, 24594, appendix E).
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Features: u32 {
        /// NP: nested paging.
        const NESTED_PAGING = 1 << 0;
        /// Last-branch virtualisation.
        const LAST_BRANCH_VIRTUALIZATION = 1 << 1;
        /// SVML: VM_CR can be locked.
        const SVM_LOCK = 1 << 2;
        /// NRIPS: an exit tells the next instruction's RIP.
        const NRIP_SAVE = 1 << 3;
        /// TSC ratio MSR.
        const TSC_RATE = 1 << 4;
        /// VMCB clean bits.
        const VMCB_CLEAN = 1 << 5;
        /// TLB flushes of one address space, and VMRUN and VMEXIT flush nothing.
        const FLUSH_BY_ASID = 1 << 6;
        /// Decode assists.
        const DECODE_ASSISTS = 1 << 7;
        /// PAUSE filter.
        const PAUSE_FILTER = 1 << 10;
        /// PAUSE filter threshold.
        const PAUSE_FILTER_THRESHOLD = 1 << 12;
        /// AVIC.
        const AVIC = 1 << 13;
        /// VMLOAD and VMSAVE virtualisation.
        const VIRTUAL_VMLOAD_VMSAVE = 1 << 15;
        /// VGIF: virtual global interrupt flag.
        const VIRTUAL_GIF = 1 << 16;
        /// GMET: guest mode execute trap.
        const GUEST_MODE_EXECUTE_TRAP = 1 << 17;
        /// x2AVIC.
        const X2AVIC = 1 << 18;
        /// The guest's SPEC_CTRL is virtual.
        const SPEC_CTRL_VIRTUALIZATION = 1 << 20;
        /// Machine checks in a guest exit.
        const HOST_MCE_OVERRIDE = 1 << 23;
        /// INVLPGB and TLBSYNC control.
        const TLB_INVALIDATION_CONTROL = 1 << 24;
        /// VNMI: virtual NMIs.
        const VIRTUAL_NMI = 1 << 25;
        /// Bus lock threshold.
        const BUS_LOCK_THRESHOLD = 1 << 29;
        /// Idle HLT intercept.
        const IDLE_HLT_INTERCEPT = 1 << 30;
        // Bits that later processors define.
        const _ = !0;
    }
}

/// CPUID Fn8000_000A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// SvmRev.
    pub revision: u8,
    /// NASID: the number of address space identifiers, the host's 0 included.
    pub address_spaces: u32,
    /// What it can do.
    pub features: Features,
}

impl Capabilities {
    /// What Bulkhead cannot do without, with the names it has in messages.
    const REQUIRED: [(Features, &'static str); 1] =
        [(Features::NESTED_PAGING, "nested paging (NP)")];

    /// From the registers that CPUID Fn8000_000A answers.
    #[must_use]
    pub const fn new(eax: u32, ebx: u32, edx: u32) -> Self {
        Self {
            revision: eax.to_le_bytes()[0],
            address_spaces: ebx,
            features: Features::from_bits_retain(edx),
        }
    }

    /// The names of what is required and absent.
    pub fn missing_required(&self) -> impl Iterator<Item = &'static str> {
        let features = self.features;
        let named = Self::REQUIRED
            .into_iter()
            .filter(move |(feature, _)| !features.contains(*feature))
            .map(|(_, name)| name);
        // A guest's ASID is never 0, so there must be a second one.
        let no_guest = (self.address_spaces < 2).then_some("an address space identifier (ASID)");
        named.chain(no_guest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_emulates_is_enough() {
        let capabilities = Capabilities::new(1, 16, 0x0001_0001);
        assert_eq!(
            (capabilities.revision, capabilities.address_spaces),
            (1, 16)
        );
        assert_eq!(
            capabilities.features,
            Features::NESTED_PAGING | Features::VIRTUAL_GIF
        );
        assert_eq!(capabilities.missing_required().next(), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = Capabilities::new(1, 1, 0);
        assert!(
            none.missing_required()
                .eq(["nested paging (NP)", "an address space identifier (ASID)"])
        );
    }
}
