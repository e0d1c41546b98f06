//! What can be wrong with a description.

use addr::{GuestPhysical, Range};
use thiserror::Error;

use super::Description;

/// The most cores of a partition, as its plan has it.
const CORES_LIMIT: usize = 64;
/// 4 GiB.
const FOUR_GIB: GuestPhysical = GuestPhysical::new(1 << 32);

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
    /// The configuration space is not a megabyte below 4 GiB, aligned to its size.
    #[error("{ecam} is not the configuration space of one bus below 4 GiB")]
    ConfigurationSpace {
        /// What it is.
        ecam: Range<GuestPhysical>,
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
    check_configuration_space(description.ecam)?;
    check_windows(description)
}

fn check_configuration_space(ecam: Range<GuestPhysical>) -> Result<(), AcpiError> {
    use crate::layout::ECAM_BYTES;
    let offset = ecam.start().as_u64() & ECAM_BYTES.wrapping_sub(1);
    if ecam.bytes() == ECAM_BYTES && offset == 0 && ecam.end() <= FOUR_GIB {
        return Ok(());
    }
    Err(AcpiError::ConfigurationSpace { ecam })
}

/// Every window is apart from RAM, from the configuration space and from the other ones.
fn check_windows(description: &Description<'_>) -> Result<(), AcpiError> {
    let ranges = || {
        let windows = description.windows.iter().copied();
        description
            .map
            .ram()
            .chain([description.ecam])
            .chain(windows)
    };
    for (index, first) in ranges().enumerate() {
        let mut others = ranges().skip(index.saturating_add(1));
        if let Some(second) = others.find(|second| second.overlaps(first)) {
            return Err(AcpiError::Overlap { first, second });
        }
    }
    let crosses =
        |window: &&Range<GuestPhysical>| window.start() < FOUR_GIB && window.end() > FOUR_GIB;
    match description.windows.iter().find(crosses) {
        Some(&window) => Err(AcpiError::CrossesFourGib { window }),
        None => Ok(()),
    }
}
