//! The guest's own count of its VM exits, which Bulkhead tells by CPUID.
//!
//! Leaf 0x4000_0100 has Bulkhead's signature; leaf 0x4000_0101 has in subleaf *n* the number
//! of the guest's exits for reason *n*: `EAX` low, `EDX` high half, `ECX` 1 if the reason
//! exists; leaf 0x4000_0103 has how often the partition was started. Reading a count may itself be a CPUID exit, so that reason is left out of
//! comparisons.

pub use vdev::ExitReason;

use core::arch::x86_64::CpuidResult;

use crate::instruction::cpuid;

/// The leaf of the signature.
const SIGNATURE_LEAF: u32 = 0x4000_0100;
/// The leaf of the counts.
const COUNT_LEAF: u32 = 0x4000_0101;
/// The leaf of the partition's starts.
const STARTS_LEAF: u32 = 0x4000_0103;
/// "Bulkhead" in `EBX` and `ECX`.
const SIGNATURE: [u32; 2] = [u32::from_le_bytes(*b"Bulk"), u32::from_le_bytes(*b"head")];
/// Whether this is a partition of Bulkhead.
#[must_use]
pub fn are_counted() -> bool {
    let answer = cpuid(SIGNATURE_LEAF, 0);
    [answer.ebx, answer.ecx] == SIGNATURE
}

/// Which guest of its partition this is, counted from 1; 0 outside a partition.
#[must_use]
pub fn life() -> u64 {
    if are_counted() {
        wide(cpuid(STARTS_LEAF, 0))
    } else {
        0
    }
}

/// Marks a moment for whoever counts instructions from outside; in a partition, one exit.
pub fn mark() {
    let _ = cpuid(COUNT_LEAF, 0);
}

/// A number of 64 bits.
const fn wide(answer: CpuidResult) -> u64 {
    (answer.edx as u64) << 32 | answer.eax as u64
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
                *count = wide(answer);
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

    /// All exits between `earlier` and now.
    #[must_use]
    pub fn all_since(&self, earlier: &Self) -> u64 {
        ExitReason::ALL.into_iter().fold(0, |sum, reason| {
            self.since(earlier, reason).wrapping_add(sum)
        })
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
