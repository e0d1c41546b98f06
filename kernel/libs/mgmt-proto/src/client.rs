//! What only a client does with the protocol: it reads answers, and tells people and programs
//! what they say. Bulkhead itself never does, so none of it is in the kernel.

use core::fmt;

use vdev::exit_reason::ExitReason;

use crate::frame::{BODY_BYTES, TooLong};
use crate::{Answer, Dropped, Error, Event, EventKind, ExitCounts, Name, State, StopCause};

impl<'a> Answer<'a> {
    /// The answer that `body` is.
    ///
    /// # Errors
    /// [`Error::BadMessage`] if it cannot be read.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        match postcard::take_from_bytes(body) {
            Ok((answer, [])) => Ok(answer),
            _ => Err(Error::BadMessage),
        }
    }
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

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongVersion => formatter.write_str("another version of the protocol"),
            Self::OtherSession => formatter.write_str("the machine has restarted"),
            Self::Unsupported => formatter.write_str("not supported"),
            Self::BadMessage => formatter.write_str("the message cannot be read"),
            Self::BadArgument => formatter.write_str("a value is outside its range"),
            Self::UnknownPartition => formatter.write_str("no such partition"),
            Self::WrongState { state } => write!(formatter, "the partition's state is {state}"),
            Self::NotPermitted => formatter.write_str("not permitted on this channel"),
            Self::Busy => formatter.write_str("something else is under way"),
            Self::NoRoom { bytes } => write!(formatter, "there is room for {bytes} bytes only"),
            Self::BadChecksum => formatter.write_str("the checksum is wrong"),
            Self::Internal => formatter.write_str("the answer does not fit in a frame"),
            Self::NoImageRoom => {
                formatter.write_str("the plan gives the partition no room for new images")
            }
            Self::NotBegun => formatter.write_str("no image is on its way, or not all of it came"),
            Self::ImageRefused { why } => write!(formatter, "the image cannot be started: {why}"),
            Self::Sealed => formatter.write_str("the machine is sealed: no guest starts any more"),
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for TooLong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the message is longer than the {BODY_BYTES} bytes that a frame holds"
        )
    }
}

impl core::error::Error for TooLong {}

impl Dropped {
    /// All kinds together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.too_long
            .saturating_add(self.bad_cobs)
            .saturating_add(self.bad_crc)
            .saturating_add(self.wrong_version)
            .saturating_add(self.bad_message)
    }
}

impl ExitCounts {
    /// How many exits there were for `reason`.
    #[must_use]
    pub fn of(&self, reason: ExitReason) -> u64 {
        self.0.get(reason.index()).copied().unwrap_or_default()
    }

    /// All exits together, those for reasons that are not known here too.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, one| sum.saturating_add(*one))
    }
}

impl Event {
    /// The partition that it happened to; `None` if it was the machine.
    #[must_use]
    pub const fn partition(&self) -> Option<Name> {
        match self.kind {
            EventKind::Entered { partition, .. }
            | EventKind::RestartPlanned { partition, .. }
            | EventKind::DeviceLost { partition, .. }
            | EventKind::ImageReplaced { partition, .. }
            | EventKind::ImageRestored { partition, .. } => Some(partition),
            EventKind::Sealed(_) => None,
        }
    }
}
