//! Second-stage tables of an IOMMU (Intel VT-d specification D51397-018, revision 5.10, section 9.8
//! "Second-Stage Paging Entries").

use super::{Bits, Format};
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
    const TABLE: u64 = READ | WRITE;
    const LEAF: u64 = 0;
    const PRESENT: u64 = READ | WRITE;
    const LEAST: Access = Access::READ.union(Access::WRITE);
    const ACCESSES: &'static [Bits<Access>] = &[
        Bits::set(Access::READ, READ),
        Bits::set(Access::WRITE, WRITE),
    ];
    const UNCACHED: Bits<MemoryKind> = Bits::set(MemoryKind::Uncached, 0);
}
