//! Why a guest left guest mode, in words that fit both back ends; the exit counters are
//! arrays over this list.

/// A reason for an exit, with the same order and numbers for as long as the interface lives:
/// guests read the counters by these numbers (CPUID leaf 0x40000101).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitReason {
    /// An external interrupt; none in a correctly set up guest.
    ExternalInterrupt,
    /// An NMI: a kick by another core, or one that is passed on to the guest.
    Nmi,
    /// An INIT: a kick by another core.
    Init,
    /// CPUID.
    Cpuid,
    /// RDMSR of a register that is not native.
    MsrRead,
    /// WRMSR of a register that is not native, except ICR.
    MsrWrite,
    /// WRMSR of the x2APIC's ICR: an inter-processor interrupt.
    IcrWrite,
    /// IN, OUT and their string forms.
    PortIo,
    /// An access that the nested tables do not allow, except the two below.
    NestedPageFault,
    /// A write to PCI configuration space.
    ConfigSpaceWrite,
    /// A write to a page that holds an MSI-X table.
    MsixWrite,
    /// HLT; none while it is native.
    Hlt,
    /// XSETBV.
    Xsetbv,
    /// An instruction that guests may not execute, such as VMRUN or VMXON.
    PrivilegedInstruction,
    /// A triple fault or a shutdown.
    Shutdown,
    /// The processor refused to enter the guest.
    EntryFailure,
    /// Anything else, and codes that the manuals do not know.
    Other,
}

impl ExitReason {
    /// The number of reasons.
    pub const COUNT: usize = Self::ALL.len();

    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::ExternalInterrupt,
        Self::Nmi,
        Self::Init,
        Self::Cpuid,
        Self::MsrRead,
        Self::MsrWrite,
        Self::IcrWrite,
        Self::PortIo,
        Self::NestedPageFault,
        Self::ConfigSpaceWrite,
        Self::MsixWrite,
        Self::Hlt,
        Self::Xsetbv,
        Self::PrivilegedInstruction,
        Self::Shutdown,
        Self::EntryFailure,
        Self::Other,
    ];

    /// The reason's number, below [`Self::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason with this number.
    #[must_use]
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// The reason's name for people and for JSON keys.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExternalInterrupt => "external-interrupt",
            Self::Nmi => "nmi",
            Self::Init => "init",
            Self::Cpuid => "cpuid",
            Self::MsrRead => "msr-read",
            Self::MsrWrite => "msr-write",
            Self::IcrWrite => "icr-write",
            Self::PortIo => "port-io",
            Self::NestedPageFault => "nested-page-fault",
            Self::ConfigSpaceWrite => "config-space-write",
            Self::MsixWrite => "msix-write",
            Self::Hlt => "hlt",
            Self::Xsetbv => "xsetbv",
            Self::PrivilegedInstruction => "privileged-instruction",
            Self::Shutdown => "shutdown",
            Self::EntryFailure => "entry-failure",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_and_names_are_unique_and_lead_back() {
        let names: BTreeSet<_> = ExitReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), ExitReason::COUNT);
        for (index, reason) in ExitReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(ExitReason::from_index(index), Some(reason));
        }
        assert_eq!(ExitReason::from_index(ExitReason::COUNT), None);
    }
}
