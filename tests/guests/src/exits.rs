//! The partition's own count of its VM exits, which Bulkhead tells by CPUID.
//!
//! Leaf 0x4000_0100 has Bulkhead's signature; leaf 0x4000_0101 has in subleaf *n* the number
//! of the partition's exits for reason *n*: `EAX` low, `EDX` high half, `ECX` 1 if the reason
//! exists. Reading a count may itself be a CPUID exit, so that reason is left out of
//! comparisons.

pub use vdev::ExitReason;

use crate::instruction::cpuid;

/// The leaf of the signature.
const SIGNATURE_LEAF: u32 = 0x4000_0100;
/// The leaf of the counts.
const COUNT_LEAF: u32 = 0x4000_0101;
/// "Bulkhead" in `EBX` and `ECX`.
const SIGNATURE: [u32; 2] = [u32::from_le_bytes(*b"Bulk"), u32::from_le_bytes(*b"head")];
/// Whether this is a partition of Bulkhead.
#[must_use]
pub fn are_counted() -> bool {
    let answer = cpuid(SIGNATURE_LEAF, 0);
    [answer.ebx, answer.ecx] == SIGNATURE
}

/// Whether no guest has run in this partition before. The counts outlive a guest, and every
/// one prints; to be asked before this one does.
#[must_use]
pub fn is_first_life() -> bool {
    let Counts(counts) = Counts::read();
    counts.get(ExitReason::PortIo.index()) == Some(&0)
}

/// Marks a moment for whoever counts instructions from outside; in a partition, one exit.
pub fn mark() {
    let _ = cpuid(COUNT_LEAF, 0);
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Counts([u64; ExitReason::COUNT]);

impl Counts {
    /// Reads all counts; all are 0 outside a partition. This, too, is a [`mark`].
    #[must_use]
    pub fn read() -> Self {
        let mut counts = [0; ExitReason::COUNT];
        let counted = are_counted();
        for (subleaf, count) in (0_u32..).zip(&mut counts) {
            let answer = cpuid(COUNT_LEAF, subleaf);
            if counted && answer.ecx == 1 {
                *count = u64::from(answer.edx) << 32 | u64::from(answer.eax);
            }
        }
        Self(counts)
    }

    /// The exits for `reason` between `earlier` and now.
    #[must_use]
    pub fn since(&self, earlier: &Self, reason: ExitReason) -> u64 {
        let at = |counts: &Self| counts.0.get(reason.index()).copied().unwrap_or(0);
        at(self).wrapping_sub(at(earlier))
    }

    /// All exits between `earlier` and now but those for CPUID and for `reason`.
    #[must_use]
    pub fn others_since(&self, earlier: &Self, reason: ExitReason) -> u64 {
        ExitReason::ALL
            .into_iter()
            .filter(|other| *other != reason && *other != ExitReason::Cpuid)
            .fold(0, |sum, other| self.since(earlier, other).wrapping_add(sum))
    }

    /// Prints what has changed since `earlier`.
    pub fn print_since(&self, earlier: &Self) {
        for reason in ExitReason::ALL {
            let count = self.since(earlier, reason);
            if count > 0 {
                crate::say!("exits: {} {count}", reason.name());
            }
        }
    }
}
