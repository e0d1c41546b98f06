//! Why a guest ended, and why a partition failed.

use core::fmt;

use addr::RequesterId;
use thiserror::Error;

/// Why a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// The guest switched itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// The administrator wanted it.
    Administrator,
    /// A triple fault.
    TripleFault,
    /// The CPU refused to enter the guest, with this code, because of this.
    EntryFailure(u64, &'static str),
    /// An exit that Bulkhead has no answer to, with its code and name.
    UnknownExit(u64, &'static str),
    /// The hardware reported an error of its own, a machine check.
    MachineCheck,
    /// The guest's memory access during an event's delivery cannot be answered.
    DeliveryFault,
    /// The guest executes memory that it does not have.
    ExecutesNothing(u64),
    /// The guest was denied more than the plan lets pass.
    DeniedPolicy,
}

impl StopCause {
    /// Whether the guest ended neither by its own wish nor by the administrator's.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::PowerOff | Self::Reset | Self::Administrator)
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => formatter.write_str("poweroff"),
            Self::Reset => formatter.write_str("reboot"),
            Self::Administrator => formatter.write_str("administrator"),
            Self::TripleFault => formatter.write_str("triple fault"),
            Self::EntryFailure(code, why) => write!(formatter, "entry failure {code:#x}: {why}"),
            Self::UnknownExit(code, name) => {
                write!(formatter, "exit without an answer, {code:#x} ({name})")
            }
            Self::MachineCheck => formatter.write_str("machine check"),
            Self::DeliveryFault => formatter.write_str("memory fault during an event's delivery"),
            Self::ExecutesNothing(address) => {
                write!(
                    formatter,
                    "executes memory that it does not have, at {address:#x}"
                )
            }
            Self::DeniedPolicy => formatter.write_str("denied access policy"),
        }
    }
}

/// Why a partition can run no guest any more, until the machine restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Failure {
    /// A core does not leave the guest.
    #[error("a core does not leave the guest")]
    CoreStays,
    /// A function does not answer after its reset.
    #[error("function {0} does not answer after its reset")]
    FunctionLost(RequesterId),
    /// A function is not what it was before its reset, or still has requests under way.
    #[error("function {0} is not as it was, after its reset")]
    FunctionChanged(RequesterId),
    /// The IOMMU does not answer, so what the functions reach is not known.
    #[error("the IOMMU does not answer")]
    IommuSilent,
    /// The image could not be put into the memory again.
    #[error("its image could not be loaded again")]
    ImageRefused,
}
