//! Why a request is not carried out.

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
