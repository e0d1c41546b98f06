//! The processor's own tables (AMD APM 24593-3.42, volume 2, section 5.3 "Long-Mode Page
//! Translation"; Intel SDM 325384-080, volume 3A, section 4.5 "4-Level Paging").

use addr::{HostPhysical, PageSize};

use super::{Format, bits_if, leaf_place};
use crate::{Access, Level, MemoryKind};

/// P: present.
pub(super) const PRESENT: u64 = 1 << 0;
/// R/W: writable.
pub(super) const WRITABLE: u64 = 1 << 1;
/// U/S: user accesses too.
pub(super) const USER: u64 = 1 << 2;
/// PWT and PCD: with the PAT's reset value together uncached.
const UNCACHED: u64 = 1 << 3 | 1 << 4;
/// A: set from the start, so that a walk never writes.
pub(super) const ACCESSED: u64 = 1 << 5;
/// D: likewise.
const DIRTY: u64 = 1 << 6;
/// NX: no instruction fetches. Needs EFER.NXE.
const NO_EXECUTE: u64 = 1 << 63;

/// Four levels, for the lower half of the canonical addresses, supervisor only.
///
/// Every leaf is readable, for the format has no other way; so access without
/// [`Access::READ`] is refused. No leaf is global: root mode has one address space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {}

impl Format for Host {
    const ROOT: Level = Level::Four;
    const ADDRESS_BITS: u32 = 47;

    fn table_entry(table: HostPhysical) -> u64 {
        table.as_u64() | PRESENT | WRITABLE | ACCESSED
    }

    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        kind: MemoryKind,
    ) -> Option<u64> {
        access.contains(Access::READ).then(|| {
            leaf_place(size, page)
                | PRESENT
                | ACCESSED
                | DIRTY
                | bits_if(access.contains(Access::WRITE), WRITABLE)
                | bits_if(!access.contains(Access::EXECUTE), NO_EXECUTE)
                | bits_if(kind == MemoryKind::Uncached, UNCACHED)
        })
    }

    fn is_present(entry: u64) -> bool {
        entry & PRESENT != 0
    }

    fn access(entry: u64) -> Access {
        let mut access = Access::READ;
        access.set(Access::WRITE, entry & WRITABLE != 0);
        access.set(Access::EXECUTE, entry & NO_EXECUTE == 0);
        access
    }

    fn kind(entry: u64) -> MemoryKind {
        if entry & UNCACHED == 0 {
            MemoryKind::WriteBack
        } else {
            MemoryKind::Uncached
        }
    }
}
