//! A partition's memory in a vector, for tests: it refuses what leaves the map, and it
//! grows only as far as it is written.

extern crate std;

use std::vec::Vec;

use addr::{Address, GuestPhysical, Range};

use crate::{GuestMemory, MemoryMap, OutOfRange};

/// Low RAM only: nothing in this library writes above 4 GiB.
pub(crate) struct FakeMemory {
    map: MemoryMap,
    low: Vec<u8>,
    pub(crate) writes: Vec<Range<GuestPhysical>>,
}

impl FakeMemory {
    pub(crate) fn new(bytes: u64) -> Self {
        let map = MemoryMap::new(bytes).unwrap();
        Self {
            map,
            low: Vec::new(),
            writes: Vec::new(),
        }
    }

    pub(crate) fn map(&self) -> MemoryMap {
        self.map
    }

    /// The bytes at `at`; those never written are zero.
    pub(crate) fn read(&self, at: GuestPhysical, bytes: usize) -> Vec<u8> {
        let start = usize::try_from(at.as_u64()).unwrap();
        (start..start + bytes)
            .map(|index| self.low.get(index).copied().unwrap_or(0))
            .collect()
    }

    pub(crate) fn read_u64(&self, at: u64) -> u64 {
        let bytes = self.read(GuestPhysical::new(at), 8);
        u64::from_le_bytes(bytes.try_into().unwrap())
    }

    pub(crate) fn read_u32(&self, at: u64) -> u32 {
        let bytes = self.read(GuestPhysical::new(at), 4);
        u32::from_le_bytes(bytes.try_into().unwrap())
    }
}

impl GuestMemory for FakeMemory {
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
        let count = bytes.len() as u64;
        let Some(range) = Range::new(at, count) else {
            return Ok(());
        };
        if !self.map.low().encloses(range) {
            return Err(OutOfRange { at, bytes: count });
        }
        self.writes.push(range);
        let start = usize::try_from(at.to_u64()).unwrap();
        let end = start + bytes.len();
        if self.low.len() < end {
            self.low.resize(end, 0);
        }
        self.low[start..end].copy_from_slice(bytes);
        Ok(())
    }
}
