//! Why a guest stopped (SDM, section 25.9.1 "Basic VM-Exit Information", and appendix C "VMX
//! Basic Exit Reasons").

/// The exit reason field: the basic reason in its low half, and whether VM entry failed.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitReason(pub u32);

/// The basic reasons that Bulkhead's controls let a guest bring about.
impl ExitReason {
    /// An exception of the exception bitmap, or an NMI.
    pub const EXCEPTION_OR_NMI: Self = Self(0);
    /// A triple fault.
    pub const TRIPLE_FAULT: Self = Self(2);
    /// An INIT signal.
    pub const INIT_SIGNAL: Self = Self(3);
    /// A task switch.
    pub const TASK_SWITCH: Self = Self(9);
    /// CPUID.
    pub const CPUID: Self = Self(10);
    /// GETSEC.
    pub const GETSEC: Self = Self(11);
    /// INVD.
    pub const INVD: Self = Self(13);
    /// RDPMC.
    pub const RDPMC: Self = Self(15);
    /// RSM.
    pub const RSM: Self = Self(17);
    /// VMCALL.
    pub const VMCALL: Self = Self(18);
    /// VMCLEAR.
    pub const VMCLEAR: Self = Self(19);
    /// VMLAUNCH.
    pub const VMLAUNCH: Self = Self(20);
    /// VMPTRLD.
    pub const VMPTRLD: Self = Self(21);
    /// VMPTRST.
    pub const VMPTRST: Self = Self(22);
    /// VMREAD.
    pub const VMREAD: Self = Self(23);
    /// VMRESUME.
    pub const VMRESUME: Self = Self(24);
    /// VMWRITE.
    pub const VMWRITE: Self = Self(25);
    /// VMXOFF.
    pub const VMXOFF: Self = Self(26);
    /// VMXON.
    pub const VMXON: Self = Self(27);
    /// An access to a control register: see [`crate::ControlRegisterAccess`].
    pub const CONTROL_REGISTER_ACCESS: Self = Self(28);
    /// A port that the I/O bitmaps deny: see [`crate::IoExit`].
    pub const IO_INSTRUCTION: Self = Self(30);
    /// RDMSR of an MSR that the MSR bitmap denies.
    pub const RDMSR: Self = Self(31);
    /// WRMSR of an MSR that the MSR bitmap denies.
    pub const WRMSR: Self = Self(32);
    /// VM entry failed: the guest's state is invalid.
    pub const INVALID_GUEST_STATE: Self = Self(33);
    /// MWAIT.
    pub const MWAIT: Self = Self(36);
    /// MONITOR.
    pub const MONITOR: Self = Self(39);
    /// VM entry failed by a machine check.
    pub const MACHINE_CHECK_DURING_ENTRY: Self = Self(41);
    /// An access that the extended page tables do not allow: see [`crate::EptViolation`].
    pub const EPT_VIOLATION: Self = Self(48);
    /// An entry of the extended page tables makes no sense: our mistake.
    pub const EPT_MISCONFIGURATION: Self = Self(49);
    /// INVEPT.
    pub const INVEPT: Self = Self(50);
    /// INVVPID.
    pub const INVVPID: Self = Self(53);
    /// XSETBV.
    pub const XSETBV: Self = Self(55);
    /// VMFUNC.
    pub const VMFUNC: Self = Self(59);
    /// SEAMCALL.
    pub const SEAMCALL: Self = Self(76);
    /// TDCALL.
    pub const TDCALL: Self = Self(77);

    const BASIC: u32 = 0xffff;
    const ENTRY_FAILURE: u32 = 1 << 31;

    /// The basic reason alone.
    #[must_use]
    pub const fn basic(self) -> Self {
        Self(self.0 & Self::BASIC)
    }

    /// Whether VM entry failed, and the guest did not run.
    #[must_use]
    pub const fn is_entry_failure(self) -> bool {
        self.0 & Self::ENTRY_FAILURE != 0
    }

    /// The manual's name of a basic reason that stops a partition.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.basic() {
            Self::TASK_SWITCH => "TASK_SWITCH",
            Self::INVALID_GUEST_STATE => "INVALID_GUEST_STATE",
            Self::EPT_MISCONFIGURATION => "EPT_MISCONFIGURATION",
            _ => "unexpected",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_manuals_numbers_and_names() {
        assert_eq!(ExitReason(9).name(), "TASK_SWITCH");
        assert_eq!(ExitReason(49).name(), "EPT_MISCONFIGURATION");
        assert_eq!(ExitReason(3), ExitReason::INIT_SIGNAL);
        assert_eq!(ExitReason(76), ExitReason::SEAMCALL);
        assert_eq!(ExitReason(77), ExitReason::TDCALL);
    }

    #[test]
    fn a_failed_entry_keeps_its_basic_reason() {
        let reason = ExitReason(0x8000_0021);
        assert!(reason.is_entry_failure());
        assert_eq!(reason.basic(), ExitReason::INVALID_GUEST_STATE);
        assert_eq!(reason.name(), "INVALID_GUEST_STATE");
        assert!(!ExitReason(33).is_entry_failure());
    }

    #[test]
    fn an_unknown_reason_is_a_value() {
        assert_eq!(ExitReason(0x1234).name(), "unexpected");
    }
}
