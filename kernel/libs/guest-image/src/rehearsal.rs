//! Loading without memory: whether an image can be started is found out by the same code that
//! starts it.

use addr::{GuestPhysical, Range};

use crate::memory::byte_count;
use crate::{GuestMemory, MemoryMap, OutOfRange};

/// A partition's memory that keeps nothing of what is written, and refuses what the real one
/// refuses.
#[derive(Debug, Clone, Copy)]
pub struct Rehearsal<'a> {
    map: &'a MemoryMap,
}

impl<'a> Rehearsal<'a> {
    /// In place of memory that is laid out so.
    #[must_use]
    pub const fn new(map: &'a MemoryMap) -> Self {
        Self { map }
    }

    fn has(self, range: Range<GuestPhysical>) -> bool {
        self.map.ram().any(|ram| ram.encloses(range))
    }
}

impl GuestMemory for Rehearsal<'_> {
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
        let bytes = byte_count(bytes);
        let is_inside = Range::new(at, bytes).is_some_and(|range| self.has(range));
        (is_inside || bytes == 0)
            .then_some(())
            .ok_or(OutOfRange { at, bytes })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::layout::HIGH_RAM;

    #[test]
    fn what_is_no_ram_is_refused() {
        let map = MemoryMap::new(3 << 30).unwrap();
        let mut memory = Rehearsal::new(&map);
        let gap = GuestPhysical::new(0xb000_0000);
        assert!(memory.write(gap, b"x").is_err());
        assert!(memory.write(GuestPhysical::new(u64::MAX), b"x").is_err());
        assert_eq!(memory.write(gap, b""), Ok(()));
        assert_eq!(memory.write(HIGH_RAM, b"x"), Ok(()));
    }

    proptest! {
        #[test]
        fn it_refuses_what_memory_refuses(at in 0_u64..0x40_1000, bytes in 0_usize..0x1000) {
            let mut memory = crate::fake_memory::FakeMemory::new(0x40_0000);
            let map = memory.map();
            let (at, bytes) = (GuestPhysical::new(at), [0; 0x1000].get(..bytes).unwrap());
            prop_assert_eq!(Rehearsal::new(&map).write(at, bytes), memory.write(at, bytes));
        }
    }
}
