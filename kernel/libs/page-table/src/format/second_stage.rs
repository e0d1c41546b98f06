//! Second-stage tables of an IOMMU (Intel VT-d specification D51397-018, revision 5.10, section 9.8
//! "Second-Stage Paging Entries").

use addr::{HostPhysical, PageSize};

use super::{Format, bits_if, leaf_place};
use crate::{Access, Level, MemoryKind};

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;

/// `LEVELS` is 4 for 48 bits of address or 3 for 39 bits; the context entry's address width
/// must say the same.
///
/// Two things are not kept, for requests of devices have neither: [`Access::EXECUTE`], and
/// the memory kind, which reads back as [`MemoryKind::WriteBack`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondStage<const LEVELS: u8 = 4> {}

impl<const LEVELS: u8> Format for SecondStage<LEVELS> {
    const ROOT: Level = {
        assert!(LEVELS == 3 || LEVELS == 4, "VT-d has 3 or 4 levels here");
        if LEVELS == 3 {
            Level::Three
        } else {
            Level::Four
        }
    };
    const ADDRESS_BITS: u32 = if LEVELS == 3 { 39 } else { 48 };

    fn table_entry(table: HostPhysical) -> u64 {
        table.as_u64() | READ | WRITE
    }

    fn leaf_entry(
        size: PageSize,
        page: HostPhysical,
        access: Access,
        _: MemoryKind,
    ) -> Option<u64> {
        access.intersects(Access::READ | Access::WRITE).then(|| {
            leaf_place(size, page)
                | bits_if(access.contains(Access::READ), READ)
                | bits_if(access.contains(Access::WRITE), WRITE)
        })
    }

    fn is_present(entry: u64) -> bool {
        entry & (READ | WRITE) != 0
    }

    fn access(entry: u64) -> Access {
        let mut access = Access::empty();
        access.set(Access::READ, entry & READ != 0);
        access.set(Access::WRITE, entry & WRITE != 0);
        access
    }

    fn kind(_: u64) -> MemoryKind {
        MemoryKind::WriteBack
    }
}
