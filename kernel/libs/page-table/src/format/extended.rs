//! Extended page tables (Intel SDM 325384-080, volume 3C, section 29.3 "The Extended Page Table
//! Mechanism (EPT)").

use addr::{HostPhysical, PageSize};

use super::{Format, bits_if, leaf_place};
use crate::{Access, Level, MemoryKind};

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const EXECUTE: u64 = 1 << 2;
const RIGHTS: u64 = READ | WRITE | EXECUTE;

/// Bits 5:3 of a leaf, the memory type; 0 is uncached. Bit 6, "ignore PAT", stays clear.
const MEMORY_TYPE: u64 = 0b111 << 3;
const WRITE_BACK: u64 = 6 << 3;

/// Four levels. Access without [`Access::READ`] is refused: writable and not readable is a
/// misconfiguration, and fetch-only pages are an option of the hardware. Accessed and dirty
/// flags are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {}

impl Format for Extended {
    const ROOT: Level = Level::Four;
    const ADDRESS_BITS: u32 = 48;

    fn table_entry(table: HostPhysical) -> u64 {
        table.as_u64() | RIGHTS
    }

    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        kind: MemoryKind,
    ) -> Option<u64> {
        access.contains(Access::READ).then(|| {
            leaf_place(size, page)
                | READ
                | bits_if(access.contains(Access::WRITE), WRITE)
                | bits_if(access.contains(Access::EXECUTE), EXECUTE)
                | bits_if(kind == MemoryKind::WriteBack, WRITE_BACK)
        })
    }

    fn is_present(entry: u64) -> bool {
        entry & RIGHTS != 0
    }

    fn access(entry: u64) -> Access {
        let mut access = Access::empty();
        access.set(Access::READ, entry & READ != 0);
        access.set(Access::WRITE, entry & WRITE != 0);
        access.set(Access::EXECUTE, entry & EXECUTE != 0);
        access
    }

    fn kind(entry: u64) -> MemoryKind {
        if entry & MEMORY_TYPE == WRITE_BACK {
            MemoryKind::WriteBack
        } else {
            MemoryKind::Uncached
        }
    }
}
