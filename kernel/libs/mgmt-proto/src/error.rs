//! Why a request is not carried out.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Reason, State};

/// Why a request is not carried out. Nothing has changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Error {
    /// The request is of another version of the protocol; the answer's header has the
    /// server's version.
    WrongVersion,
    /// The request is of another session: the machine has restarted since. Say hello again.
    OtherSession,
    /// The server does not know this kind of request, or cannot do it on this machine.
    Unsupported,
    /// The message cannot be read.
    BadMessage,
    /// A value of the request is outside its range.
    BadArgument,
    /// No partition has this name, or none that this channel may see.
    UnknownPartition,
    /// The partition is in a state that the request does not fit.
    WrongState {
        /// Its state.
        state: State,
    },
    /// This channel may see the partition, not control it; or it is a partition's, and the
    /// request is about the whole machine.
    NotPermitted,
    /// Something else is under way: try again later.
    Busy,
    /// There is less room than the request needs.
    NoRoom {
        /// The room that there is, in bytes.
        bytes: u64,
    },
    /// What was sent does not have the checksum that was announced.
    BadChecksum,
    /// Bulkhead's answer does not fit in a frame: a fault of Bulkhead's.
    Internal,
    /// The plan gives the partition no room for new images.
    NoImageRoom,
    /// No image is on its way to the partition, or not all of it has come.
    NotBegun,
    /// The partition's guest could not be started with the image.
    ImageRefused {
        /// Why.
        why: Reason,
    },
    /// The machine is sealed: no guest starts any more, or can be asked to stop.
    Sealed,
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
