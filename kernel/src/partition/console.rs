//! What a guest prints, on its way to the housekeeping core: a ring that one writer at a
//! time fills and one reader empties, neither waiting for the other.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::host::frames;

/// Bytes that wait at most; what comes on top is dropped and counted.
const RING_BYTES: usize = 16 * 1024;

/// A ring of bytes. Writers hold the partition's UART lock, so that there is one at a time;
/// the housekeeping core is the only reader.
pub struct Ring {
    bytes: &'static [AtomicU8; RING_BYTES],
    written: AtomicU32,
    read: AtomicU32,
    dropped: AtomicU64,
}

impl Ring {
    /// An empty ring; `None` if no frame is left for it.
    pub fn new() -> Option<Self> {
        let bytes = frames::place([const { AtomicU8::new(0) }; RING_BYTES])?;
        let zero = || AtomicU32::new(0);
        Some(Self {
            bytes,
            written: zero(),
            read: zero(),
            dropped: AtomicU64::new(0),
        })
    }

    /// Adds a byte, or counts it as dropped; whether somebody should come and read.
    pub fn push(&self, byte: u8) -> bool {
        let written = self.written.load(Ordering::Relaxed);
        let waiting = written.wrapping_sub(self.read.load(Ordering::Acquire)) as usize;
        let slot = self.slot(written).filter(|_| waiting < RING_BYTES);
        let Some(slot) = slot else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        slot.store(byte, Ordering::Relaxed);
        self.written
            .store(written.wrapping_add(1), Ordering::Release);
        byte == b'\n'
    }

    /// Takes the oldest byte out.
    pub fn pop(&self) -> Option<u8> {
        let read = self.read.load(Ordering::Relaxed);
        if read == self.written.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.slot(read)?.load(Ordering::Relaxed);
        self.read.store(read.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    /// How many bytes found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn slot(&self, position: u32) -> Option<&AtomicU8> {
        self.bytes.get(position as usize % RING_BYTES)
    }
}
