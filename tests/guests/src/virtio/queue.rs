//! One split virtqueue of 16 entries, from the driver's side.

use core::sync::atomic::{Ordering, fence};

use crate::Failure;
use crate::memory::Region;

/// The number of descriptors, and of entries in either ring.
pub const ENTRIES: u16 = 16;
/// Where the parts are in the queue's memory, and its one buffer behind them.
const AVAILABLE: u64 = 0x1000;
const USED: u64 = 0x2000;
const BUFFER: u64 = 0x3000;
const BYTES: u64 = BUFFER + BUFFER_BYTES;
/// Of a ring: the index, the first entry, and in an entry of the used ring the length.
const INDEX: u64 = 2;
const FIRST: u64 = 4;
const LENGTH: u64 = 4;
const BUFFER_BYTES: u64 = 0x1000;

/// A descriptor.
#[derive(Debug, Clone, Copy)]
pub struct Descriptor {
    /// The address of its memory.
    pub address: u64,
    /// How much that is.
    pub bytes: u32,
    /// What to do with it.
    pub flags: u16,
    /// The next one of the chain.
    pub next: u16,
}

/// A queue in the guest's memory.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    base: u64,
    memory: Region,
    given: u16,
}

impl Queue {
    /// A queue whose memory begins at `base`.
    ///
    /// # Errors
    /// If that is not mapped.
    pub fn new(base: u64) -> Result<Self, Failure> {
        let unmapped = Failure::new(format_args!("no memory for a queue"));
        Ok(Self {
            base,
            memory: Region::new(base, BYTES).ok_or(unmapped)?,
            given: 0,
        })
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.memory.clear();
        self.given = 0;
    }

    /// The addresses of descriptors, available and used ring.
    #[must_use]
    pub fn parts(&self) -> [u64; 3] {
        [0, AVAILABLE, USED].map(|offset| self.base.wrapping_add(offset))
    }

    /// The address of the buffer.
    #[must_use]
    pub fn buffer(&self) -> u64 {
        self.base.wrapping_add(BUFFER)
    }

    /// Reads the byte at `offset` of the buffer.
    #[must_use]
    pub fn read(&self, offset: u64) -> u8 {
        self.memory.read(BUFFER.wrapping_add(offset))
    }

    /// Writes the byte at `offset` of the buffer.
    pub fn put(&self, offset: u64, byte: u8) {
        self.memory.write(BUFFER.wrapping_add(offset), byte);
    }

    /// Writes descriptor `index`.
    pub fn describe(&self, index: u64, descriptor: Descriptor) {
        let at = |offset: u64| index.wrapping_mul(16).wrapping_add(offset);
        self.memory.write(at(0), descriptor.address);
        self.memory.write(at(8), descriptor.bytes);
        self.memory.write(at(12), descriptor.flags);
        self.memory.write(at(14), descriptor.next);
    }

    /// Makes the buffer that starts with descriptor `head` available.
    pub fn give(&mut self, head: u16) {
        let slot = u64::from(self.given & (ENTRIES - 1));
        let at = slot.wrapping_mul(2).wrapping_add(AVAILABLE + FIRST);
        self.memory.write(at, head);
        self.advance(1);
    }

    /// Says that `count` buffers more are available, whatever the ring has.
    pub fn advance(&mut self, count: u16) {
        self.given = self.given.wrapping_add(count);
        // What is made available is there before the index says so.
        fence(Ordering::Release);
        self.memory.write(AVAILABLE + INDEX, self.given);
    }

    /// How many buffers the device has not given back.
    #[must_use]
    pub fn under_way(&self) -> u16 {
        let used = self.memory.read::<u16>(USED + INDEX);
        fence(Ordering::Acquire);
        self.given.wrapping_sub(used)
    }

    /// How many bytes the device has written into the buffer that it gave back last.
    #[must_use]
    pub fn written(&self) -> u32 {
        let slot = u64::from(self.given.wrapping_sub(1) & (ENTRIES - 1));
        let at = slot.wrapping_mul(8).wrapping_add(USED + FIRST + LENGTH);
        self.memory.read(at)
    }
}
