//! What a 64-bit entry stands on: a descriptor table and an identity map of 4 GiB.

use addr::GuestPhysical;

use crate::layout::{GDT, PAGE_TABLES};
use crate::memory::{RUN_WORDS, write_words};
use crate::{DescriptorTable, Entry, GuestMemory, OutOfRange};

/// The descriptors, by selector: null, unused, `__BOOT_CS`, `__BOOT_DS`
/// (AMD APM 24593-3.42, volume 2, section 4.8 "Long-Mode Segment Descriptors").
const DESCRIPTORS: [u64; 4] = [
    0,
    0,
    // Present, code, readable, accessed; long, 4 KiB granularity, limit ignored.
    0x00af_9b00_0000_ffff,
    // Present, data, writable, accessed; 32 bit, 4 KiB granularity, limit 4 GiB.
    0x00cf_9300_0000_ffff,
];

const _: () = assert!(Entry::CODE_SELECTOR == 2 * 8 && Entry::DATA_SELECTOR == 3 * 8);

/// Present and writable (AMD APM 24593-3.42, volume 2, section 5.4.1 "Field Definitions").
const PRESENT_WRITABLE: u64 = 0b11;
/// Page size: a leaf above level 1.
const LEAF: u64 = 1 << 7;
const FOUR_GIB: u64 = 1 << 32;
const LEAF_BYTES: u64 = 2 << 20;
const LEVEL_3: u64 = PAGE_TABLES.as_u64() + 0x1000;
/// The four tables that map 4 GiB.
const LEVEL_2: [u64; 4] = {
    let first = PAGE_TABLES.as_u64() + 0x2000;
    [first, first + 0x1000, first + 0x2000, first + 0x3000]
};

/// Writes the descriptor table to [`GDT`].
pub(crate) fn write_descriptors(
    memory: &mut impl GuestMemory,
) -> Result<DescriptorTable, OutOfRange> {
    write_words(memory, GDT, &DESCRIPTORS)?;
    let limit = size_of_val(&DESCRIPTORS).saturating_sub(1) as u16;
    Ok(DescriptorTable { base: GDT, limit })
}

/// Writes an identity map of the first 4 GiB in 2 MiB pages to [`PAGE_TABLES`]: a level 4
/// table, a level 3 table and four of level 2, one behind the other. 1 GiB pages would save four
/// pages, but not every processor has them. The answer is the value of `CR3`.
pub(crate) fn write_identity_map(
    memory: &mut impl GuestMemory,
) -> Result<GuestPhysical, OutOfRange> {
    write_words(memory, PAGE_TABLES, &[LEVEL_3 | PRESENT_WRITABLE])?;
    let tables = LEVEL_2.map(|table| table | PRESENT_WRITABLE);
    write_words(memory, GuestPhysical::new(LEVEL_3), &tables)?;
    let (mut at, mut page) = (GuestPhysical::new(LEVEL_2[0]), 0);
    while page < FOUR_GIB {
        let run = [(); RUN_WORDS].map(|()| {
            let leaf = page | LEAF | PRESENT_WRITABLE;
            page = page.saturating_add(LEAF_BYTES);
            leaf
        });
        at = write_words(memory, at, &run)?;
    }
    Ok(PAGE_TABLES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fake_memory::FakeMemory;
    use crate::layout::BOOT_STRUCTURES_END;

    /// Walks the tables as a processor does, with 2 MiB leaves only.
    fn translate(memory: &FakeMemory, cr3: GuestPhysical, address: u64) -> Option<u64> {
        let entry = |table: u64, level: u32| {
            let index = (address >> (12 + 9 * (level - 1))) & 0x1ff;
            let entry = memory.read_u64((table & !0xfff) + index * 8);
            (entry & 1 == 1).then_some(entry)
        };
        let level_3 = entry(cr3.as_u64(), 4)?;
        let level_2 = entry(level_3, 3)?;
        let leaf = entry(level_2, 2)?;
        assert_ne!(leaf & LEAF, 0);
        Some((leaf & !0x1f_ffff) + (address & 0x1f_ffff))
    }

    #[test]
    fn the_tables_end_where_the_layout_says() {
        let mut memory = FakeMemory::new(0x20_0000);
        write_identity_map(&mut memory).unwrap();
        let end = memory.writes.iter().map(|range| range.end()).max();
        assert_eq!(end, Some(BOOT_STRUCTURES_END));
    }

    #[test]
    fn the_limit_is_the_last_byte() {
        let mut memory = FakeMemory::new(0x20_0000);
        let table = write_descriptors(&mut memory).unwrap();
        assert_eq!(table.limit, 31);
        assert_eq!(memory.read_u64(0x1010), 0x00af_9b00_0000_ffff);
    }

    proptest! {
        #[test]
        fn four_gib_map_to_themselves_and_no_more(address in 0_u64..(1 << 33)) {
            let mut memory = FakeMemory::new(0x20_0000);
            let cr3 = write_identity_map(&mut memory).unwrap();
            let expected = (address < 1 << 32).then_some(address);
            prop_assert_eq!(translate(&memory, cr3, address), expected);
        }
    }
}
