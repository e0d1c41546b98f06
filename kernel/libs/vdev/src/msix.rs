//! An MSI-X table as a guest programs it (PCI Express Base Specification 5.0, section 7.7.2
//! "MSI-X Capability and Table Structures").
//!
//! The table that the device has holds what Bulkhead put there; this one holds what the
//! guest wrote, for reading back and for checking by [`crate::message`]. Storage is the
//! caller's. A function that exists in no hardware has the guest's table alone, a
//! [`Synthetic`] one.

mod synthetic;

pub use synthetic::Synthetic;

/// The largest number of entries that a function can have.
pub const MAXIMUM_ENTRIES: usize = 2048;
/// The bytes of an entry.
pub const ENTRY_BYTES: u32 = 16;

/// Vector Control: the entry raises nothing.
const MASKED: u32 = 1 << 0;

/// An entry as the guest wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Message Address.
    pub address: u64,
    /// Message Data.
    pub data: u32,
    /// Vector Control, bit 0: masked.
    pub masked: bool,
}

impl Entry {
    /// An entry after reset.
    pub const RESET: Self = Self {
        address: 0,
        data: 0,
        masked: true,
    };

    const fn words(self) -> [u32; 4] {
        let [low, high] = [self.address as u32, (self.address >> 32) as u32];
        [low, high, self.data, self.masked as u32]
    }

    const fn word(self, index: u32) -> u32 {
        let [low, high, data, control] = self.words();
        match index {
            0 => low,
            1 => high,
            2 => data,
            _ => control,
        }
    }

    fn set_word(&mut self, index: u32, value: u32) {
        let upper = 0xffff_ffff_0000_0000;
        match index {
            0 => self.address = self.address & upper | u64::from(value & !0b11),
            1 => self.address = self.address & !upper | u64::from(value) << 32,
            2 => self.data = value,
            _ => self.masked = value & MASKED != 0,
        }
    }
}

/// The vector that a write changed, and what it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The number of the entry.
    pub vector: u16,
    /// Its complete state.
    pub entry: Entry,
}

/// A table over the caller's storage.
#[derive(Debug)]
pub struct Table<'a> {
    entries: &'a mut [Entry],
}

impl<'a> Table<'a> {
    /// A table with as many entries as `storage` has, at most [`MAXIMUM_ENTRIES`], in the
    /// state that they are in: call [`Table::reset`] for a function that was reset.
    #[must_use]
    pub fn new(storage: &'a mut [Entry]) -> Self {
        let length = storage.len().min(MAXIMUM_ENTRIES);
        let (entries, _) = storage.split_at_mut_checked(length).unwrap_or_default();
        Self { entries }
    }

    /// Puts all entries into their state after reset.
    pub fn reset(&mut self) {
        self.entries.fill(Entry::RESET);
    }

    /// Reads `bytes` (4 or 8) at `offset` from the table's start; all ones for other sizes,
    /// other alignments and beyond the table.
    #[must_use]
    pub fn read(&self, offset: u32, bytes: u8) -> u64 {
        let Some((vector, word)) = locate(offset, bytes) else {
            return u64::MAX;
        };
        let Some(entry) = self.entries.get(usize::from(vector)) else {
            return u64::MAX;
        };
        let low = u64::from(entry.word(word));
        match bytes {
            8 => u64::from(entry.word(word | 1)) << 32 | low,
            _ => low,
        }
    }

    /// Writes `bytes` (4 or 8) at `offset` from the table's start. `None` for other sizes,
    /// other alignments and beyond the table: such a write is dropped.
    pub fn write(&mut self, offset: u32, bytes: u8, value: u64) -> Option<Change> {
        let (vector, word) = locate(offset, bytes)?;
        let entry = self.entries.get_mut(usize::from(vector))?;
        let [v0, v1, v2, v3, v4, v5, v6, v7] = value.to_le_bytes();
        entry.set_word(word, u32::from_le_bytes([v0, v1, v2, v3]));
        if bytes == 8 {
            entry.set_word(word | 1, u32::from_le_bytes([v4, v5, v6, v7]));
        }
        Some(Change {
            vector,
            entry: *entry,
        })
    }
}

/// The entry and the dword in it; an aligned quadword lies within one entry.
fn locate(offset: u32, bytes: u8) -> Option<(u16, u32)> {
    let aligned = match bytes {
        4 => offset & 0b11 == 0,
        8 => offset & 0b111 == 0,
        _ => false,
    };
    let vector = u16::try_from(offset >> 4).ok()?;
    aligned.then_some((vector, (offset >> 2) & 0b11))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_entry_is_programmed_word_by_word() {
        let mut storage = [Entry::RESET; 4];
        let mut table = Table::new(&mut storage);
        assert!(table.write(0x20, 4, 0xfee0_2000).unwrap().entry.masked);
        table.write(0x24, 4, 0);
        table.write(0x28, 4, 0x31);
        let change = table.write(0x2c, 4, 0).unwrap();
        let entry = Entry {
            address: 0xfee0_2000,
            data: 0x31,
            masked: false,
        };
        assert_eq!(change, Change { vector: 2, entry });
        assert_eq!(table.read(0x20, 8), 0xfee0_2000);
        assert_eq!(table.read(0x28, 4), 0x31);
    }

    #[test]
    fn a_quadword_is_two_words() {
        let mut storage = [Entry::RESET; 1];
        let mut table = Table::new(&mut storage);
        table.write(0, 8, 0x1_fee0_2003);
        let change = table.write(8, 8, 0x31).unwrap();
        let entry = Entry {
            address: 0x1_fee0_2000,
            data: 0x31,
            masked: false,
        };
        assert_eq!(change.entry, entry);
        assert_eq!(table.read(8, 8), 0x31);
    }

    #[test]
    fn odd_accesses_are_dropped() {
        let mut storage = [Entry::RESET; 2];
        let mut table = Table::new(&mut storage);
        for (offset, bytes) in [
            (0, 1),
            (0, 2),
            (2, 4),
            (4, 8),
            (0x20, 4),
            (0x20, 8),
            (u32::MAX, 4),
        ] {
            assert_eq!(table.write(offset, bytes, 0), None);
            assert_eq!(table.read(offset, bytes), u64::MAX);
        }
        assert_eq!(*table.entries, [Entry::RESET; 2]);
    }

    #[test]
    fn reset_masks_every_vector() {
        let mut storage = [Entry {
            address: 1,
            data: 1,
            masked: false,
        }; 2];
        let mut table = Table::new(&mut storage);
        table.reset();
        assert_eq!(*table.entries, [Entry::RESET; 2]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            offset in 0_u32..0x80, bytes in 0_u8..10, value: u64, size in 0_usize..8,
        ) {
            let mut storage = [Entry::RESET; 8];
            let mut table = Table::new(&mut storage[..size]);
            if let Some(change) = table.write(offset, bytes, value) {
                prop_assert!(usize::from(change.vector) < size);
                prop_assert_eq!(table.entries[usize::from(change.vector)], change.entry);
                let word = table.read(offset, bytes);
                let kept = if offset % 16 == 12 { 1 } else if offset % 16 == 0 { !0b11 } else { u64::MAX };
                let kept = if bytes == 8 && offset % 16 == 8 { 0x1_ffff_ffff } else { kept };
                let width = if bytes == 8 { u64::MAX } else { 0xffff_ffff };
                prop_assert_eq!(word, value & kept & width);
            }
        }
    }
}
