//! What answers are lists of. All of it is small and copied freely.

use addr::RequesterId;
use serde::{Deserialize, Serialize};
use vdev::exit_reason::ExitReason;

use crate::{ImagePart, Name, State, StopCause};

/// A partition in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub name: Name,
    /// Its state.
    pub state: State,
    /// How long it has been in this state.
    pub in_state_milliseconds: u64,
    /// Why it stopped last; `None` if it never did.
    pub last_stop: Option<StopCause>,
    /// How often it was started again since the machine's boot.
    pub restarts: u32,
    /// The number of its cores.
    pub cores: u16,
    /// The size of its memory.
    pub memory_bytes: u64,
}

/// One of a partition's PCI functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionStatus {
    /// The function.
    pub function: RequesterId,
    /// How it is.
    pub health: Health,
}

/// How a PCI function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing is known against it.
    Good,
    /// It did not come back from its last reset.
    ResetFailed,
}

/// One of the images that a partition starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageStatus {
    /// Which one.
    pub part: ImagePart,
    /// Its size.
    pub bytes: u64,
    /// Its CRC-32C.
    pub crc32c: u32,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// The bundle, with which the machine was booted.
    Bundle,
    /// This or another channel, since the machine's boot.
    Channel,
}

/// What was counted for a partition since the machine's boot, over all its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The partition.
    pub name: Name,
    /// Its exits by reason, all cores together.
    pub exits: ExitCounts,
    /// How often it was denied an access.
    pub denied: u64,
    /// How often the IOMMU refused a request or an interrupt of its functions.
    pub faults: u64,
    /// Bytes that its guest printed and that nobody can read any more or ever could.
    pub console_dropped_bytes: u64,
}

/// Room for reasons of later versions of Bulkhead.
const EXIT_REASONS: usize = 32;
const _: () = assert!(ExitReason::COUNT <= EXIT_REASONS);

/// Exits by reason, under the numbers of [`ExitReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExitCounts(pub(crate) [u64; EXIT_REASONS]);

impl ExitCounts {
    /// The counts that `count` gives.
    pub fn new(mut count: impl FnMut(ExitReason) -> u64) -> Self {
        let mut counts = [0; EXIT_REASONS];
        for (slot, reason) in counts.iter_mut().zip(ExitReason::ALL) {
            *slot = count(reason);
        }
        Self(counts)
    }
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, since the machine's boot.
    pub milliseconds: u64,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A partition came into a state.
    Entered {
        /// The partition.
        partition: Name,
        /// Its state from now on.
        state: State,
        /// Why, where it stops or fails.
        cause: Option<StopCause>,
    },
    /// A partition that stopped will be started again.
    RestartPlanned {
        /// The partition.
        partition: Name,
        /// In how long.
        after_milliseconds: u64,
    },
    /// A function did not come back from its reset.
    DeviceLost {
        /// Whose it is.
        partition: Name,
        /// The function.
        function: RequesterId,
    },
    /// An image was replaced; the next start uses it.
    ImageReplaced {
        /// Whose it is.
        partition: Name,
        /// Which one.
        part: ImagePart,
    },
    /// The bundle's image was taken again; the next start uses it.
    ImageRestored {
        /// Whose it is.
        partition: Name,
        /// Which one.
        part: ImagePart,
    },
    /// The machine was sealed.
    Sealed(Sealed),
}

/// How much of Bulkhead's text is left in a sealed machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The bytes that were overwritten.
    pub overwritten_bytes: u64,
    /// The bytes that there were.
    pub text_bytes: u64,
}

/// A request for memory, or an interrupt, that the IOMMU refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// When, since the machine's boot.
    pub milliseconds: u64,
    /// Whose function asked; `None` if it is nobody's.
    pub partition: Option<Name>,
    /// Which function asked.
    pub requester: RequesterId,
    /// The fault reason, as the IOMMU numbers it.
    pub reason: u8,
    /// The page that was asked for, as the function names it; 0 for an interrupt.
    pub address: u64,
    /// The interrupt-remapping entry that a refused interrupt named.
    pub interrupt_index: Option<u16>,
}
