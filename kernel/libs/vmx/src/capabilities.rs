//! What a CPU's VMX can do (SDM, appendix A "VMX Capability Reporting Facility").

use crate::msr;
use crate::{ProcessorBased, Secondary};

/// What a word of controls may hold: the two halves of its capability MSR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Allowed {
    /// The bits that must be 1 (the manual's allowed-0 settings, where a bit is 1).
    pub must: u32,
    /// The bits that may be 1 (allowed-1 settings).
    pub may: u32,
}

impl Allowed {
    const fn from_msr(value: u64) -> Self {
        Self {
            must: value as u32,
            may: (value >> 32) as u32,
        }
    }
}

/// What the capability MSRs say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// IA32_VMX_BASIC.
    pub basic: u64,
    /// IA32_VMX_MISC.
    pub misc: u64,
    /// IA32_VMX_EPT_VPID_CAP; 0 where it does not exist.
    pub ept_vpid: u64,
    /// IA32_VMX_CR0_FIXED0: the bits of CR0 that must be 1.
    pub cr0_must: u64,
    /// IA32_VMX_CR0_FIXED1: the bits of CR0 that may be 1.
    pub cr0_may: u64,
    /// IA32_VMX_CR4_FIXED0: the bits of CR4 that must be 1.
    pub cr4_must: u64,
    /// IA32_VMX_CR4_FIXED1: the bits of CR4 that may be 1.
    pub cr4_may: u64,
    /// Pin-based VM-execution controls.
    pub pin_based: Allowed,
    /// Primary processor-based VM-execution controls.
    pub processor_based: Allowed,
    /// Secondary processor-based VM-execution controls; none where they do not exist.
    pub secondary: Allowed,
    /// VM-exit controls.
    pub exit: Allowed,
    /// VM-entry controls.
    pub entry: Allowed,
}

/// A bit of a capability MSR, and what it stands for.
type Requirement = (u64, &'static str);

impl Capabilities {
    /// Bits 30:0 of IA32_VMX_BASIC.
    const REVISION: u64 = 0x7fff_ffff;
    /// Bits 44:32: the bytes of a VMXON or VMCS region.
    const REGION_SHIFT: u32 = 32;
    const REGION_MASK: u64 = 0x1fff;
    /// Bits 53:50: the memory type of regions and bitmaps.
    const MEMORY_TYPE_SHIFT: u32 = 50;
    const WRITE_BACK: u64 = 6;
    /// The capability MSRs of controls that used to be fixed at 1 exist.
    const TRUE_CONTROLS: u64 = 1 << 55;
    /// EPT leaves of 1 GiB.
    const EPT_1_GIB: u64 = 1 << 17;

    /// Of IA32_VMX_BASIC.
    const BASIC: [Requirement; 1] = [(
        Self::TRUE_CONTROLS,
        "VMX capability MSRs of the \"true\" controls",
    )];
    /// Of IA32_VMX_MISC.
    const MISC: [Requirement; 1] = [(
        1 << 5,
        "store of EFER.LMA into \"IA-32e mode guest\" on VM exit",
    )];
    /// Of IA32_VMX_EPT_VPID_CAP.
    const EPT_VPID: [Requirement; 7] = [
        (1 << 6, "EPT page walk of length 4"),
        (1 << 14, "EPT paging structures in write-back memory"),
        (Self::EPT_2_MIB, "EPT leaves of 2 MiB"),
        (1 << 20, "INVEPT"),
        (1 << 25, "INVEPT of a single context"),
        (1 << 32, "INVVPID"),
        (1 << 41, "INVVPID of a single context"),
    ];
    const EPT_2_MIB: u64 = 1 << 16;

    /// Reads the capability MSRs by `read`, and of those that need not exist only what does.
    pub fn read(read: impl Fn(u32) -> u64) -> Self {
        let basic = read(msr::BASIC);
        let common = Self {
            basic,
            misc: read(msr::MISC),
            cr0_must: read(msr::CR0_FIXED_0),
            cr0_may: read(msr::CR0_FIXED_1),
            cr4_must: read(msr::CR4_FIXED_0),
            cr4_may: read(msr::CR4_FIXED_1),
            ..Self::default()
        };
        if basic & Self::TRUE_CONTROLS == 0 {
            return common;
        }
        let allowed = |number| Allowed::from_msr(read(number));
        let processor_based = allowed(msr::TRUE_PROCESSOR_BASED_CONTROLS);
        let has_secondary = processor_based.may & ProcessorBased::ACTIVATE_SECONDARY.0 != 0;
        let secondary = if has_secondary {
            allowed(msr::SECONDARY_CONTROLS)
        } else {
            Allowed::default()
        };
        let has_ept = secondary.may & (Secondary::ENABLE_EPT.0 | Secondary::ENABLE_VPID.0) != 0;
        Self {
            ept_vpid: if has_ept { read(msr::EPT_VPID) } else { 0 },
            pin_based: allowed(msr::TRUE_PIN_BASED_CONTROLS),
            processor_based,
            secondary,
            exit: allowed(msr::TRUE_EXIT_CONTROLS),
            entry: allowed(msr::TRUE_ENTRY_CONTROLS),
            ..common
        }
    }

    /// The identifier that VMXON and VMCS regions begin with.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        (self.basic & Self::REVISION) as u32
    }

    /// Whether EPT has leaves of 1 GiB.
    #[must_use]
    pub const fn has_1_gib_leaves(&self) -> bool {
        self.ept_vpid & Self::EPT_1_GIB != 0
    }

    /// The name of the first basic thing that is required and absent.
    pub(crate) fn missing_basics(&self) -> Option<&'static str> {
        let region = (self.basic >> Self::REGION_SHIFT) & Self::REGION_MASK;
        let memory_type = self.basic >> Self::MEMORY_TYPE_SHIFT & 0xf;
        missing(self.basic, &Self::BASIC)
            .or((region > 4096).then_some("VMCS regions of at most 4 KiB"))
            .or((memory_type != Self::WRITE_BACK).then_some("VMCS regions in write-back memory"))
            .or_else(|| missing(self.misc, &Self::MISC))
    }

    /// The name of the first property of EPT and VPIDs that is required and absent.
    pub(crate) fn missing_translation(&self) -> Option<&'static str> {
        missing(self.ept_vpid, &Self::EPT_VPID)
    }
}

fn missing(value: u64, required: &[Requirement]) -> Option<&'static str> {
    let absent = required.iter().find(|(bit, _)| value & bit == 0);
    absent.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{capabilities, register};

    #[test]
    fn a_server_has_all() {
        assert_eq!(capabilities().missing_basics(), None);
        assert_eq!(capabilities().missing_translation(), None);
        assert_eq!(capabilities().revision(), 0x12);
        assert!(capabilities().has_1_gib_leaves());
    }

    #[test]
    fn what_is_missing_is_named() {
        let all = capabilities();
        for (bit, name) in Capabilities::EPT_VPID {
            let without = Capabilities {
                ept_vpid: all.ept_vpid & !bit,
                ..all
            };
            assert_eq!(without.missing_translation(), Some(name));
        }
        let cases = [
            (0, all.misc, "VMX capability MSRs of the \"true\" controls"),
            (
                all.basic & !(0xf << 50),
                all.misc,
                "VMCS regions in write-back memory",
            ),
            (
                all.basic | 0x1fff << 32,
                all.misc,
                "VMCS regions of at most 4 KiB",
            ),
            (
                all.basic,
                0,
                "store of EFER.LMA into \"IA-32e mode guest\" on VM exit",
            ),
        ];
        for (basic, misc, name) in cases {
            let without = Capabilities { basic, misc, ..all };
            assert_eq!(without.missing_basics(), Some(name));
        }
    }

    #[test]
    fn registers_that_do_not_exist_are_not_read() {
        let no_true_controls = Capabilities::read(|number| match number {
            msr::BASIC => 0,
            msr::SECONDARY_CONTROLS | msr::EPT_VPID | 0x48d..=0x490 => panic!("{number:#x}"),
            other => register(other),
        });
        assert_eq!(no_true_controls.processor_based, Allowed::default());
        let no_secondary = Capabilities::read(|number| match number {
            msr::TRUE_PROCESSOR_BASED_CONTROLS => register(number) & !(1 << 63),
            msr::SECONDARY_CONTROLS | msr::EPT_VPID => panic!("{number:#x}"),
            other => register(other),
        });
        assert_eq!(no_secondary.secondary, Allowed::default());
    }
}
