//! Why a guest stopped (APM volume 2, appendix C "SVM Intercept Exit Codes").

/// The control area's EXITCODE.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub u64);

/// Codes with one number each: the constant and the table of names from one list.
macro_rules! exit_codes {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        impl ExitCode {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name of a code that stands alone.
            const fn single_name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

exit_codes! {
    /// The exception with vector 18.
    MACHINE_CHECK = 0x52;
    /// A physical maskable interrupt.
    INTR = 0x60;
    /// A physical NMI.
    NMI = 0x61;
    /// A physical SMI.
    SMI = 0x62;
    /// INIT.
    INIT = 0x63;
    /// A virtual maskable interrupt.
    VINTR = 0x64;
    /// A write to CR0 that changes other bits than TS and MP.
    CR0_SELECTIVE_WRITE = 0x65;
    /// A read of IDTR.
    IDTR_READ = 0x66;
    /// A read of GDTR.
    GDTR_READ = 0x67;
    /// A read of LDTR.
    LDTR_READ = 0x68;
    /// A read of TR.
    TR_READ = 0x69;
    /// A write to IDTR.
    IDTR_WRITE = 0x6a;
    /// A write to GDTR.
    GDTR_WRITE = 0x6b;
    /// A write to LDTR.
    LDTR_WRITE = 0x6c;
    /// A write to TR.
    TR_WRITE = 0x6d;
    /// RDTSC.
    RDTSC = 0x6e;
    /// RDPMC.
    RDPMC = 0x6f;
    /// PUSHF.
    PUSHF = 0x70;
    /// POPF.
    POPF = 0x71;
    /// CPUID.
    CPUID = 0x72;
    /// RSM.
    RSM = 0x73;
    /// IRET.
    IRET = 0x74;
    /// `INT n`.
    SOFTWARE_INTERRUPT = 0x75;
    /// INVD.
    INVD = 0x76;
    /// PAUSE.
    PAUSE = 0x77;
    /// HLT.
    HLT = 0x78;
    /// INVLPG.
    INVLPG = 0x79;
    /// INVLPGA.
    INVLPGA = 0x7a;
    /// A port that the I/O permission map denies: see [`crate::IoExit`].
    IOIO = 0x7b;
    /// An MSR that the MSR permission map denies: see [`crate::MsrAccess`].
    MSR = 0x7c;
    /// A task switch.
    TASK_SWITCH = 0x7d;
    /// The processor is frozen for the legacy FERR signal.
    FERR_FREEZE = 0x7e;
    /// Shutdown, a triple fault above all.
    SHUTDOWN = 0x7f;
    /// VMRUN.
    VMRUN = 0x80;
    /// VMMCALL.
    VMMCALL = 0x81;
    /// VMLOAD.
    VMLOAD = 0x82;
    /// VMSAVE.
    VMSAVE = 0x83;
    /// STGI.
    STGI = 0x84;
    /// CLGI.
    CLGI = 0x85;
    /// SKINIT.
    SKINIT = 0x86;
    /// RDTSCP.
    RDTSCP = 0x87;
    /// ICEBP.
    ICEBP = 0x88;
    /// WBINVD or WBNOINVD.
    WBINVD = 0x89;
    /// MONITOR or MONITORX.
    MONITOR = 0x8a;
    /// MWAIT or MWAITX.
    MWAIT = 0x8b;
    /// MWAIT or MWAITX with the monitor hardware armed.
    MWAIT_CONDITIONAL = 0x8c;
    /// XSETBV.
    XSETBV = 0x8d;
    /// RDPRU.
    RDPRU = 0x8e;
    /// EFER has been written.
    EFER_WRITE_TRAP = 0x8f;
    /// INVLPGB.
    INVLPGB = 0xa0;
    /// INVLPGB with what the guest may not specify.
    INVLPGB_ILLEGAL = 0xa1;
    /// INVPCID.
    INVPCID = 0xa2;
    /// MCOMMIT.
    MCOMMIT = 0xa3;
    /// TLBSYNC.
    TLBSYNC = 0xa4;
    /// A bus lock.
    BUS_LOCK = 0xa5;
    /// HLT while no virtual interrupt was pending.
    IDLE_HLT = 0xa6;
    /// A nested page fault: see [`crate::NestedPageFault`].
    NPF = 0x400;
    /// AVIC: an interprocessor interrupt could not be delivered.
    AVIC_INCOMPLETE_IPI = 0x401;
    /// AVIC: an access to the APIC that is not accelerated.
    AVIC_NO_ACCELERATION = 0x402;
    /// VMGEXIT.
    VMGEXIT = 0x403;
    /// VMRUN found the VMCB inconsistent. Compare by [`ExitCode::is_invalid`].
    INVALID = u64::MAX;
    /// The state save area is in use by another core (SEV-ES).
    BUSY = u64::MAX - 1;
    /// The other core of a pair must be idle (SEV-SNP).
    IDLE_REQUIRED = u64::MAX - 2;
}

impl ExitCode {
    /// Whether VMRUN found the VMCB inconsistent and the guest did not run.
    ///
    /// Only the low half counts: some CPUs, QEMU 10.0's among them, write it alone.
    #[must_use]
    pub const fn is_invalid(self) -> bool {
        self.0 & 0xffff_ffff == 0xffff_ffff
    }

    /// The manual's name, without its prefix `VMEXIT_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        if self.is_invalid() {
            return "INVALID";
        }
        match self.0 {
            0x00..=0x0f => "CR_READ",
            0x10..=0x1f => "CR_WRITE",
            0x20..=0x2f => "DR_READ",
            0x30..=0x3f => "DR_WRITE",
            0x40..=0x51 | 0x53..=0x5f => "EXCEPTION",
            0x90..=0x9f => "CR_WRITE_TRAP",
            _ => match self.single_name() {
                Some(name) => name,
                None => "unknown",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_manuals_numbers_and_names() {
        assert_eq!(ExitCode(0x72).name(), "CPUID");
        assert_eq!(ExitCode(0x400).name(), "NPF");
        assert_eq!(ExitCode(0x8d).name(), "XSETBV");
        assert_eq!(ExitCode(0x08).name(), "CR_READ");
        assert_eq!(ExitCode(0x37).name(), "DR_WRITE");
        assert_eq!(ExitCode(0x4e).name(), "EXCEPTION");
        assert_eq!(ExitCode::MACHINE_CHECK.name(), "MACHINE_CHECK");
    }

    #[test]
    fn an_entry_failure_counts_in_32_bits_too() {
        assert!(ExitCode::INVALID.is_invalid());
        assert!(ExitCode(0xffff_ffff).is_invalid());
        assert_eq!(ExitCode(0xffff_ffff).name(), "INVALID");
        assert!(!ExitCode::BUSY.is_invalid());
    }

    #[test]
    fn an_unknown_code_is_a_value() {
        assert_eq!(ExitCode(0x1234).name(), "unknown");
    }
}
