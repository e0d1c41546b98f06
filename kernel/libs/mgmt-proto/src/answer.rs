//! What the server answers.

use addr::ApicId;
use serde::{Deserialize, Serialize};

use crate::{
    Bytes, Counters, Dropped, Error, Event, Fault, FunctionStatus, ImageStatus, Items, Page,
    Sealed, Summary,
};

/// What the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// Who is there. The session is in the header.
    #[serde(borrow)]
    Hello(Hello<'a>),
    /// Partitions, in the plan's order.
    Partitions(#[serde(borrow)] Page<'a, Summary>),
    /// One partition.
    Partition(#[serde(borrow)] Details<'a>),
    /// Partitions' counters, in the plan's order.
    Counters(#[serde(borrow)] Page<'a, Counters>),
    /// Text of a console or of the log.
    Bytes(#[serde(borrow)] Bytes<'a>),
    /// What happened.
    Events(#[serde(borrow)] Page<'a, Event>),
    /// What the IOMMU refused.
    Faults(#[serde(borrow)] Page<'a, Fault>),
    /// The channel's own counters.
    Channel(Channel),
    /// It is done, or under way.
    Done,
    /// So much was taken.
    Taken {
        /// In bytes; the request says of what.
        bytes: u64,
    },
    /// It is not done.
    Error(Error),
    /// What Bulkhead itself takes.
    Resources(Resources),
    /// The machine is sealed.
    Sealed(Sealed),
}

impl<'a> Answer<'a> {
    /// The answer, if it can be kept: one that borrows nothing.
    pub(crate) const fn lasting(&self) -> Option<Answer<'static>> {
        match *self {
            Self::Channel(counters) => Some(Answer::Channel(counters)),
            Self::Done => Some(Answer::Done),
            Self::Taken { bytes } => Some(Answer::Taken { bytes }),
            Self::Error(error) => Some(Answer::Error(error)),
            Self::Resources(resources) => Some(Answer::Resources(resources)),
            Self::Sealed(extent) => Some(Answer::Sealed(extent)),
            _ => None,
        }
    }
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// Bulkhead's build: version, and commit where it is known. At most 64 bytes.
    pub build: &'a str,
    /// The back end: `SVM` or `VMX`.
    pub back_end: &'a str,
    /// The CRC-32C of the plan's binary form, as the bundle's table has it: which plan runs.
    pub plan_crc32c: u32,
    /// The number of partitions that this channel may see.
    pub partitions: u64,
    /// The housekeeping core.
    pub housekeeping: ApicId,
    /// How long the machine has been up.
    pub uptime_milliseconds: u64,
}

/// One partition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Details<'a> {
    /// What the list says too.
    pub summary: Summary,
    /// Its cores, the boot core first.
    #[serde(borrow)]
    pub cores: Items<'a, ApicId>,
    /// Its PCI functions, in the plan's order.
    #[serde(borrow)]
    pub functions: Items<'a, FunctionStatus>,
    /// The images that it starts with next, the kernel first; none of a partition that was
    /// refused at boot.
    #[serde(borrow)]
    pub images: Items<'a, ImageStatus>,
    /// The size in bytes of the largest image that can replace one; `None` if none can.
    pub largest_image: Option<u64>,
}

/// The channel's own counters, since the machine's boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Channel {
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that came again and got their old answer.
    pub repeated: u64,
    /// What was no message.
    pub dropped: Dropped,
    /// Bytes that the line lost before Bulkhead could read them, as far as the line tells:
    /// a 16550's overrun errors.
    pub overruns: u64,
    /// Answers of which a part was never sent, because nobody read it and another request
    /// came.
    pub unsent: u64,
}

/// What Bulkhead itself takes, since the machine's boot. Neither the heap nor the frames may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Resources {
    /// The bytes of the boot heap that are in use.
    pub heap_bytes: u64,
    /// The bytes of the frames that were given out.
    pub frame_bytes: u64,
    /// The longest turn of the housekeeping core's loop: so long something else had to wait.
    pub longest_turn_microseconds: u64,
}
