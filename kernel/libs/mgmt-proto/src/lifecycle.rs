//! A partition's states, and why one stopped.

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
