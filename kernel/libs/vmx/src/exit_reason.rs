//! Why a guest stopped (SDM, section 25.9.1 "Basic VM-Exit Information", and appendix C "VMX
//! Basic Exit Reasons").

/// The exit reason field: the basic reason in its low half, and whether VM entry failed.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitReason(pub u32);

/// Basic reasons: the constant and the table of names from one list.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        impl ExitReason {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The manual's name of the basic reason.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self.basic() {
                    $(Self::$name => stringify!($name),)*
                    _ => "unknown",
                }
            }
        }
    };
}

reasons! {
    /// An exception of the exception bitmap, or an NMI.
    EXCEPTION_OR_NMI = 0;
    /// An external interrupt.
    EXTERNAL_INTERRUPT = 1;
    /// A triple fault.
    TRIPLE_FAULT = 2;
    /// An INIT signal.
    INIT_SIGNAL = 3;
    /// A start-up IPI.
    START_UP_IPI = 4;
    /// An interrupt window.
    INTERRUPT_WINDOW = 7;
    /// An NMI window.
    NMI_WINDOW = 8;
    /// A task switch.
    TASK_SWITCH = 9;
    /// CPUID.
    CPUID = 10;
    /// GETSEC.
    GETSEC = 11;
    /// HLT.
    HLT = 12;
    /// INVD.
    INVD = 13;
    /// INVLPG.
    INVLPG = 14;
    /// RDPMC.
    RDPMC = 15;
    /// RDTSC.
    RDTSC = 16;
    /// RSM.
    RSM = 17;
    /// VMCALL.
    VMCALL = 18;
    /// VMCLEAR.
    VMCLEAR = 19;
    /// VMLAUNCH.
    VMLAUNCH = 20;
    /// VMPTRLD.
    VMPTRLD = 21;
    /// VMPTRST.
    VMPTRST = 22;
    /// VMREAD.
    VMREAD = 23;
    /// VMRESUME.
    VMRESUME = 24;
    /// VMWRITE.
    VMWRITE = 25;
    /// VMXOFF.
    VMXOFF = 26;
    /// VMXON.
    VMXON = 27;
    /// An access to a control register: see [`crate::ControlRegisterAccess`].
    CONTROL_REGISTER_ACCESS = 28;
    /// MOV DR.
    MOV_DR = 29;
    /// A port that the I/O bitmaps deny: see [`crate::IoExit`].
    IO_INSTRUCTION = 30;
    /// RDMSR of an MSR that the MSR bitmap denies.
    RDMSR = 31;
    /// WRMSR of an MSR that the MSR bitmap denies.
    WRMSR = 32;
    /// VM entry failed: the guest's state is invalid.
    INVALID_GUEST_STATE = 33;
    /// VM entry failed while it loaded MSRs.
    MSR_LOADING = 34;
    /// MWAIT.
    MWAIT = 36;
    /// The monitor trap flag.
    MONITOR_TRAP_FLAG = 37;
    /// MONITOR.
    MONITOR = 39;
    /// PAUSE.
    PAUSE = 40;
    /// VM entry failed by a machine check.
    MACHINE_CHECK_DURING_ENTRY = 41;
    /// An access that the extended page tables do not allow: see [`crate::EptViolation`].
    EPT_VIOLATION = 48;
    /// An entry of the extended page tables makes no sense: our mistake.
    EPT_MISCONFIGURATION = 49;
    /// INVEPT.
    INVEPT = 50;
    /// RDTSCP.
    RDTSCP = 51;
    /// The VMX-preemption timer.
    PREEMPTION_TIMER = 52;
    /// INVVPID.
    INVVPID = 53;
    /// WBINVD or WBNOINVD.
    WBINVD = 54;
    /// XSETBV.
    XSETBV = 55;
    /// RDRAND.
    RDRAND = 57;
    /// INVPCID.
    INVPCID = 58;
    /// VMFUNC.
    VMFUNC = 59;
    /// ENCLS.
    ENCLS = 60;
    /// RDSEED.
    RDSEED = 61;
    /// XSAVES.
    XSAVES = 63;
    /// XRSTORS.
    XRSTORS = 64;
    /// PCONFIG.
    PCONFIG = 65;
    /// UMWAIT.
    UMWAIT = 67;
    /// TPAUSE.
    TPAUSE = 68;
    /// ENQCMD.
    ENQCMD = 72;
    /// ENQCMDS.
    ENQCMDS = 73;
    /// A bus lock.
    BUS_LOCK = 74;
}

impl ExitReason {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_the_manuals_numbers_and_names() {
        assert_eq!(ExitReason(10).name(), "CPUID");
        assert_eq!(ExitReason(48).name(), "EPT_VIOLATION");
        assert_eq!(ExitReason(55).name(), "XSETBV");
        assert_eq!(ExitReason(3), ExitReason::INIT_SIGNAL);
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
        assert_eq!(ExitReason(0x1234).name(), "unknown");
    }
}
