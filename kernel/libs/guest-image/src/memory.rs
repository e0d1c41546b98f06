//! How bytes get into a partition's memory, whoever holds it.

use addr::{Address, GuestPhysical};
use thiserror::Error;

/// A partition's RAM, written by guest-physical address.
///
/// An implementation refuses what is not wholly inside the partition's RAM; it may have
/// written a part of it by then.
pub trait GuestMemory {
    /// Copies `bytes` to `at`.
    ///
    /// # Errors
    /// [`OutOfRange`] if a byte of it is not the partition's RAM.
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange>;
}

impl<M: GuestMemory + ?Sized> GuestMemory for &mut M {
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
        (**self).write(at, bytes)
    }
}

/// The address one past `bytes` at `at`.
fn checked_end(at: GuestPhysical, bytes: &[u8]) -> Result<GuestPhysical, OutOfRange> {
    let count = byte_count(bytes);
    at.checked_add(count).ok_or(OutOfRange { at, bytes: count })
}

/// The words that [`write_words`] writes at once.
pub(crate) const RUN_WORDS: usize = 64;

/// Writes `words` from `at` on, little-endian. The answer is the address one past them.
pub(crate) fn write_words(
    memory: &mut impl GuestMemory,
    mut at: GuestPhysical,
    words: &[u64],
) -> Result<GuestPhysical, OutOfRange> {
    for run in words.chunks(RUN_WORDS) {
        let mut bytes = [0; 8 * RUN_WORDS];
        for (slot, word) in bytes.as_chunks_mut().0.iter_mut().zip(run) {
            *slot = word.to_le_bytes();
        }
        let bytes = bytes.get(..size_of_val(run)).unwrap_or_default();
        memory.write(at, bytes)?;
        at = checked_end(at, bytes)?;
    }
    Ok(at)
}

/// The number of `bytes` as the width of an address.
pub(crate) fn byte_count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A write that would have left the partition's RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{bytes} bytes at {at} are not within the partition's RAM")]
pub struct OutOfRange {
    /// Where the write began.
    pub at: GuestPhysical,
    /// How long it was.
    pub bytes: u64,
}
