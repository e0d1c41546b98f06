//! What a client asks.

use plan::ImagePart;
use serde::{Deserialize, Serialize};

use crate::{Error, Name};

/// The most bytes of a console's text, of input or of an image in one message.
pub const MAX_DATA: usize = 900;

/// What a client asks. The number of a kind is its place here: kinds are added at the end.
///
/// To start what runs, or to stop what is stopped, is no error: it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who is there? [`Answer::Hello`](crate::Answer::Hello), in any session.
    Hello,
    /// The partitions from number `from` on, in the plan's order.
    /// [`Answer::Partitions`](crate::Answer::Partitions).
    List {
        /// The first one wanted, from 0.
        from: u64,
    },
    /// All about one partition but its counters.
    /// [`Answer::Partition`](crate::Answer::Partition).
    Show {
        /// Which one.
        partition: Name,
    },
    /// The counters of the partitions from number `from` on, in the plan's order.
    /// [`Answer::Counters`](crate::Answer::Counters).
    Counters {
        /// The first one wanted, from 0.
        from: u64,
    },
    /// Starts a stopped partition. [`Answer::Done`](crate::Answer::Done) when it is starting.
    Start {
        /// Which one.
        partition: Name,
    },
    /// Stops a partition. [`Answer::Done`](crate::Answer::Done) when it is stopping.
    Stop {
        /// Which one.
        partition: Name,
        /// How.
        manner: StopManner,
    },
    /// Stops a partition and starts it again. [`Answer::Done`](crate::Answer::Done) when it
    /// is stopping. A stopped one is started.
    Restart {
        /// Which one.
        partition: Name,
        /// How to stop it.
        manner: StopManner,
    },
    /// What a guest has printed, from a position on.
    /// [`Answer::Bytes`](crate::Answer::Bytes).
    ConsoleRead {
        /// Whose console.
        partition: Name,
        /// The position, in bytes; [`u64::MAX`] stands for the end.
        from: u64,
    },
    /// Types on a guest's console. [`Answer::Taken`](crate::Answer::Taken) says how much of
    /// it found room.
    ConsoleWrite {
        /// Whose console.
        partition: Name,
        /// What to type, at most [`MAX_DATA`] bytes.
        bytes: &'a [u8],
    },
    /// What happened, from event number `from` on. [`Answer::Events`](crate::Answer::Events).
    Events {
        /// The first one wanted, from 0; [`u64::MAX`] stands for the end.
        from: u64,
    },
    /// What the IOMMU refused, from fault number `from` on.
    /// [`Answer::Faults`](crate::Answer::Faults).
    Faults {
        /// The first one wanted, from 0; [`u64::MAX`] stands for the end.
        from: u64,
    },
    /// Bulkhead's own messages, from a position on. [`Answer::Bytes`](crate::Answer::Bytes).
    Log {
        /// The position, in bytes; [`u64::MAX`] stands for the end.
        from: u64,
    },
    /// Begins to replace one of a partition's images, or goes on with it after a break, if
    /// all values are as before. [`Answer::Taken`](crate::Answer::Taken) says how many bytes
    /// of it are already there.
    ReplaceBegin {
        /// Whose image.
        partition: Name,
        /// Which one.
        part: ImagePart,
        /// The new image's size.
        bytes: u64,
        /// The new image's CRC-32C.
        crc32c: u32,
    },
    /// A piece of the new image. [`Answer::Taken`](crate::Answer::Taken) says how many bytes
    /// from the beginning are there; a piece that starts behind them is not taken.
    ReplaceChunk {
        /// Whose image.
        partition: Name,
        /// Where in the image the piece begins.
        offset: u64,
        /// The piece, at most [`MAX_DATA`] bytes.
        bytes: &'a [u8],
    },
    /// Checks the new image and takes it from the next start on. Until then, and if it is
    /// refused, the old one stays. [`Answer::Done`](crate::Answer::Done).
    ReplaceCommit {
        /// Whose image.
        partition: Name,
    },
    /// The channel's own counters. [`Answer::Channel`](crate::Answer::Channel).
    Channel,
    /// Resets the machine, with all its partitions. [`Answer::Done`](crate::Answer::Done)
    /// goes out before, as far as the line lets it.
    ResetMachine,
    /// What Bulkhead itself takes. [`Answer::Resources`](crate::Answer::Resources).
    Resources,
    /// Takes the bundle's image again from the next start on.
    /// [`Answer::Done`](crate::Answer::Done), also if it is so already.
    ReplaceUndo {
        /// Whose image.
        partition: Name,
        /// Which one.
        part: ImagePart,
    },
    /// Overwrites the text that no running guest needs in its steady state: from then on
    /// nothing can be started, and a guest that makes an exit which a sealed machine does not
    /// answer stops its core. [`Answer::Sealed`](crate::Answer::Sealed), again for a machine
    /// that is sealed already.
    Seal,
}

impl<'a> Request<'a> {
    /// The number of kinds. A test holds it against the enumeration.
    pub(crate) const KINDS: u8 = 20;

    /// The request that `body` is.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a kind that is not known here, [`Error::BadMessage`] for
    /// what cannot be read, [`Error::BadArgument`] for too much data.
    pub fn decode(body: &'a [u8]) -> Result<Self, Error> {
        // Postcard numbers kinds by a varint: one byte below 128.
        match body.first() {
            None => return Err(Error::BadMessage),
            Some(kind) if *kind >= Self::KINDS => return Err(Error::Unsupported),
            Some(_) => {}
        }
        match postcard::take_from_bytes::<Self>(body) {
            Ok((request, [])) if request.data().len() > MAX_DATA => Err(Error::BadArgument),
            Ok((request, [])) => Ok(request),
            _ => Err(Error::BadMessage),
        }
    }

    /// The data that the request carries.
    const fn data(&self) -> &'a [u8] {
        match self {
            Self::ConsoleWrite { bytes, .. } | Self::ReplaceChunk { bytes, .. } => bytes,
            _ => &[],
        }
    }

    /// Whether doing it twice differs from doing it once. The server then remembers its
    /// answer, for when the request comes again.
    #[must_use]
    pub const fn happens_once(&self) -> bool {
        matches!(
            self,
            Self::Start { .. }
                | Self::Stop { .. }
                | Self::Restart { .. }
                | Self::ConsoleWrite { .. }
                | Self::ReplaceCommit { .. }
                | Self::ReplaceUndo { .. }
                | Self::ResetMachine
        )
    }
}

/// How a partition is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopManner {
    /// The guest is asked by ACPI to switch itself off. If it has not after this time, it is
    /// stopped as by `Forced`. One that cannot be asked goes on:
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    Asked {
        /// How long it may take.
        timeout_milliseconds: u32,
    },
    /// Its cores leave it at once, wherever they are.
    Forced,
}
