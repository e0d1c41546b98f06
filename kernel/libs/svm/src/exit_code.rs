//! Why a guest stopped (APM volume 2, appendix C "SVM Intercept Exit Codes").

/// The control area's EXITCODE.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitCode(pub u64);

/// What root mode intercepts, and what needs no intercept.
impl ExitCode {
    /// The exception with vector 1.
    pub const DEBUG: Self = Self(0x41);
    /// The exception with vector 17.
    pub const ALIGNMENT_CHECK: Self = Self(0x51);
    /// The exception with vector 18.
    pub const MACHINE_CHECK: Self = Self(0x52);
    /// A physical NMI.
    pub const NMI: Self = Self(0x61);
    /// INIT.
    pub const INIT: Self = Self(0x63);
    /// RDPMC.
    pub const RDPMC: Self = Self(0x6f);
    /// CPUID.
    pub const CPUID: Self = Self(0x72);
    /// RSM.
    pub const RSM: Self = Self(0x73);
    /// IRET.
    pub const IRET: Self = Self(0x74);
    /// INVD.
    pub const INVD: Self = Self(0x76);
    /// INVLPGA.
    pub const INVLPGA: Self = Self(0x7a);
    /// A port that the I/O permission map denies: see [`crate::IoExit`].
    pub const IOIO: Self = Self(0x7b);
    /// An MSR that the MSR permission map denies: see [`crate::MsrAccess`].
    pub const MSR: Self = Self(0x7c);
    /// Shutdown, a triple fault above all.
    pub const SHUTDOWN: Self = Self(0x7f);
    /// VMRUN.
    pub const VMRUN: Self = Self(0x80);
    /// VMMCALL.
    pub const VMMCALL: Self = Self(0x81);
    /// VMLOAD.
    pub const VMLOAD: Self = Self(0x82);
    /// VMSAVE.
    pub const VMSAVE: Self = Self(0x83);
    /// STGI.
    pub const STGI: Self = Self(0x84);
    /// CLGI.
    pub const CLGI: Self = Self(0x85);
    /// SKINIT.
    pub const SKINIT: Self = Self(0x86);
    /// MONITOR or MONITORX.
    pub const MONITOR: Self = Self(0x8a);
    /// MWAIT or MWAITX.
    pub const MWAIT: Self = Self(0x8b);
    /// MWAIT or MWAITX with the monitor hardware armed.
    pub const MWAIT_CONDITIONAL: Self = Self(0x8c);
    /// A nested page fault: see [`crate::NestedPageFault`].
    pub const NPF: Self = Self(0x400);

    /// Whether VMRUN found the VMCB inconsistent and the guest did not run.
    ///
    /// Only the low half counts: some CPUs, QEMU 10.0's among them, write it alone.
    #[must_use]
    pub const fn is_invalid(self) -> bool {
        self.0 & 0xffff_ffff == 0xffff_ffff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_failure_counts_in_32_bits_too() {
        assert!(ExitCode(u64::MAX).is_invalid());
        assert!(ExitCode(0xffff_ffff).is_invalid());
        assert!(!ExitCode(u64::MAX - 1).is_invalid());
    }
}
