//! How bytes get into a partition's memory, whoever holds it.

use addr::{Address, GuestPhysical, Range};
use thiserror::Error;

/// The bytes that [`GuestMemory::fill`] writes at once unless an implementation knows better.
const FILL_CHUNK: usize = 256;

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

    /// Sets every byte of `range` to `value`.
    ///
    /// # Errors
    /// [`OutOfRange`] if a byte of it is not the partition's RAM.
    fn fill(&mut self, range: Range<GuestPhysical>, value: u8) -> Result<(), OutOfRange> {
        let chunk = [value; FILL_CHUNK];
        let mut at = range.start();
        while let Some(left @ 1..) = range.end().checked_offset_from(at) {
            let count = usize::try_from(left).unwrap_or(FILL_CHUNK).min(FILL_CHUNK);
            let bytes = chunk.get(..count).unwrap_or_default();
            self.write(at, bytes)?;
            at = checked_end(at, bytes)?;
        }
        Ok(())
    }
}

impl<M: GuestMemory + ?Sized> GuestMemory for &mut M {
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
        (**self).write(at, bytes)
    }

    fn fill(&mut self, range: Range<GuestPhysical>, value: u8) -> Result<(), OutOfRange> {
        (**self).fill(range, value)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_memory::FakeMemory;

    #[test]
    fn fill_reaches_every_byte_and_no_other() {
        let mut memory = FakeMemory::new(0x20_0000);
        let range = Range::new(GuestPhysical::new(0x1003), 1000).unwrap();
        memory.fill(range, 0xa5).unwrap();
        let around = memory.read(GuestPhysical::new(0x1002), 1002);
        assert_eq!((around[0], around[1001]), (0, 0));
        assert!(around[1..1001].iter().all(|byte| *byte == 0xa5));
    }

    #[test]
    fn fill_past_the_end_is_refused() {
        let mut memory = FakeMemory::new(0x20_0000);
        let range = Range::new(GuestPhysical::new(0x1f_f000), 0x1001).unwrap();
        assert!(memory.fill(range, 1).is_err());
    }
}
