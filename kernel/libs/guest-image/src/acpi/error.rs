//! What can be wrong with a description.

use addr::{GuestPhysical, Range};
use thiserror::Error;

use super::Description;

/// The most cores of a partition, as its plan has it.
const CORES_LIMIT: usize = 64;

/// Why there are no tables for a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AcpiError {
    /// A partition without a core.
    #[error("a partition without a core")]
    NoCores,
    /// More cores than a partition can have.
    #[error("{cores} cores in a partition that may have {limit}")]
    TooManyCores {
        /// The partition's cores.
        cores: usize,
        /// The most it may have.
        limit: usize,
    },
    /// A window or the configuration space lies in RAM or in another one.
    #[error("addresses {first} and {second} overlap")]
    Overlap {
        /// The one.
        first: Range<GuestPhysical>,
        /// The other.
        second: Range<GuestPhysical>,
    },
    /// A window or the configuration space has addresses on both sides of 4 GiB.
    #[error("the PCI window {window} lies on both sides of 4 GiB")]
    CrossesFourGib {
        /// The window.
        window: Range<GuestPhysical>,
    },
    /// The tables take more room than the firmware area has.
    #[error("the ACPI tables do not fit below 1 MiB")]
    NoRoom,
}

/// Whether the description can be written down at all.
pub(super) fn check(description: &Description<'_>) -> Result<(), AcpiError> {
    let cores = description.cores.len();
    if cores == 0 {
        return Err(AcpiError::NoCores);
    }
    if cores > CORES_LIMIT {
        let limit = CORES_LIMIT;
        return Err(AcpiError::TooManyCores { cores, limit });
    }
    check_windows(description)
}

/// Every window is apart from RAM, from the configuration space and from the other ones.
fn check_windows(description: &Description<'_>) -> Result<(), AcpiError> {
    let ranges = || {
        let given = description.map.ram().chain([description.map.ecam()]);
        given.chain(description.windows.iter().copied())
    };
    for (index, first) in ranges().enumerate() {
        let mut others = ranges().skip(index.saturating_add(1));
        if let Some(second) = others.find(|second| second.overlaps(first)) {
            return Err(AcpiError::Overlap { first, second });
        }
    }
    Ok(())
}
