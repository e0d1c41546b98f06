//! Why a guest left guest mode, in words that fit both back ends; the exit counters are
//! arrays over this list.

/// The reasons with their names, from one list.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// A reason for an exit, with the same order and numbers for as long as the interface
        /// lives: guests read the counters by these numbers (CPUID leaf 0x40000101).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ExitReason {
            $($(#[$doc])* $reason,)*
        }

        impl ExitReason {
            /// Every reason, in the order of its number.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$reason),*];

            /// The reason's name for people and for JSON keys.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }
        }
    };
}

reasons! {
    /// An external interrupt; none in a correctly set up guest.
    ExternalInterrupt = "external-interrupt",
    /// An NMI: a kick by another core, or one that is passed on to the guest.
    Nmi = "nmi",
    /// An INIT: a kick by another core.
    Init = "init",
    /// CPUID.
    Cpuid = "cpuid",
    /// RDMSR of a register that is not native.
    MsrRead = "msr-read",
    /// WRMSR of a register that is not native, except ICR.
    MsrWrite = "msr-write",
    /// WRMSR of the x2APIC's ICR: an inter-processor interrupt.
    IcrWrite = "icr-write",
    /// IN, OUT and their string forms.
    PortIo = "port-io",
    /// An access that the nested tables do not allow, except the two below.
    NestedPageFault = "nested-page-fault",
    /// A write to PCI configuration space.
    ConfigSpaceWrite = "config-space-write",
    /// A write to a page that holds an MSI-X table.
    MsixWrite = "msix-write",
    /// HLT; none while it is native.
    Hlt = "hlt",
    /// XSETBV.
    Xsetbv = "xsetbv",
    /// An instruction that guests may not execute, such as VMRUN or VMXON.
    PrivilegedInstruction = "privileged-instruction",
    /// A triple fault or a shutdown.
    Shutdown = "shutdown",
    /// The processor refused to enter the guest.
    EntryFailure = "entry-failure",
    /// Anything else, and codes that the manuals do not know.
    Other = "other",
    /// A debug exception or an alignment check, which the guest then gets.
    Exception = "exception",
}

impl ExitReason {
    /// The number of reasons.
    pub const COUNT: usize = Self::ALL.len();

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
