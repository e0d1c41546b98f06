//! A partition's states, and why one stopped.

use core::fmt;

use addr::RequesterId;
use serde::{Deserialize, Serialize};

use crate::Name;

/// Where a partition is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// No core runs it, and it can be started.
    Stopped,
    /// Memory, devices and image are being made ready.
    Starting,
    /// Its guest runs.
    Running,
    /// Its guest was asked to switch itself off, or its cores are leaving it.
    Stopping,
    /// No core runs it, and it cannot be started as things are; the cause says why.
    Failed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Stopped,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Failed,
    ];

    /// The state's name, for people and for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Why a partition stopped, or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCause {
    /// The guest switched itself off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// A triple fault.
    TripleFault,
    /// The CPU refused to enter the guest.
    EntryFailure {
        /// The CPU's code for why.
        code: u64,
    },
    /// An exit that Bulkhead does not know.
    UnknownExit {
        /// The CPU's code for it.
        code: u64,
    },
    /// The hardware reported an error of its own, a machine check.
    MachineCheck,
    /// The guest's memory access during an event's delivery cannot be answered.
    DeliveryFault,
    /// The guest executes memory that it does not have.
    ExecutesNothing {
        /// The guest-physical address.
        address: u64,
    },
    /// The guest was denied more than the plan lets pass.
    DeniedPolicy,
    /// The administrator asked for it.
    Administrator,
    /// A partition that the plan gives control over this one asked for it.
    Delegate {
        /// Who asked.
        by: Name,
    },
    /// It was refused when it was built; the log says why.
    Refused,
    /// A function did not come back from its reset.
    DeviceReset {
        /// The function.
        function: RequesterId,
    },
    /// It stopped too often; the plan's restart policy gives up.
    RestartLimit,
    /// A core does not leave the guest.
    CoreStays,
    /// The IOMMU does not answer, so what the functions reach is not known.
    IommuSilent,
    /// The image could not be put into memory again.
    ImageRefused,
}

impl StopCause {
    /// The cause's name, for programs; the details are in [`fmt::Display`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::Reset => "reboot",
            Self::TripleFault => "triple-fault",
            Self::EntryFailure { .. } => "entry-failure",
            Self::UnknownExit { .. } => "unknown-exit",
            Self::MachineCheck => "machine-check",
            Self::DeliveryFault => "delivery-fault",
            Self::ExecutesNothing { .. } => "executes-nothing",
            Self::DeniedPolicy => "denied-policy",
            Self::Administrator => "administrator",
            Self::Delegate { .. } => "delegate",
            Self::Refused => "refused",
            Self::DeviceReset { .. } => "device-reset",
            Self::RestartLimit => "restart-limit",
            Self::CoreStays => "core-stays",
            Self::IommuSilent => "iommu-silent",
            Self::ImageRefused => "image-refused",
        }
    }
}

impl fmt::Display for StopCause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => formatter.write_str("poweroff"),
            Self::Reset => formatter.write_str("reboot"),
            Self::TripleFault => formatter.write_str("triple fault"),
            Self::EntryFailure { code } => write!(formatter, "entry failure {code:#x}"),
            Self::UnknownExit { code } => write!(formatter, "unknown exit {code:#x}"),
            Self::MachineCheck => formatter.write_str("machine check"),
            Self::DeliveryFault => formatter.write_str("memory fault during an event's delivery"),
            Self::ExecutesNothing { address } => write!(
                formatter,
                "executes memory that it does not have, at {address:#x}"
            ),
            Self::DeniedPolicy => formatter.write_str("denied too often"),
            Self::Administrator => formatter.write_str("administrator"),
            Self::Delegate { by } => write!(formatter, "partition {by}"),
            Self::Refused => formatter.write_str("refused at boot, see the log"),
            Self::DeviceReset { function } => {
                write!(formatter, "{function} did not come back from reset")
            }
            Self::RestartLimit => formatter.write_str("stopped too often"),
            Self::CoreStays => formatter.write_str("a core does not leave the guest"),
            Self::IommuSilent => formatter.write_str("the IOMMU does not answer"),
            Self::ImageRefused => formatter.write_str("its image could not be loaded again"),
        }
    }
}
