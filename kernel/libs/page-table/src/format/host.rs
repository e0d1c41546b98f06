//! The processor's own tables (AMD APM 24593-3.42, volume 2, section 5.3 "Long-Mode Page
//! Translation"; Intel SDM 325384-080, volume 3A, section 4.5 "4-Level Paging").

use super::{Bits, Format};
use crate::{Access, Level, MemoryKind};

/// P: present.
const PRESENT: u64 = 1 << 0;
/// R/W: writable.
const WRITABLE: u64 = 1 << 1;
/// PWT and PCD: with the PAT's reset value together uncached.
const UNCACHED: u64 = 1 << 3 | 1 << 4;
/// A: set from the start, so that a walk never writes.
const ACCESSED: u64 = 1 << 5;
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
    const TABLE: u64 = PRESENT | WRITABLE | ACCESSED;
    const LEAF: u64 = PRESENT | ACCESSED | DIRTY;
    const PRESENT: u64 = PRESENT;
    const LEAST: Access = Access::READ;
    const ACCESSES: &'static [Bits<Access>] = &[
        Bits::set(Access::READ, PRESENT),
        Bits::set(Access::WRITE, WRITABLE),
        Bits::cleared(Access::EXECUTE, NO_EXECUTE),
    ];
    const UNCACHED: Bits<MemoryKind> = Bits::set(MemoryKind::Uncached, UNCACHED);
}
