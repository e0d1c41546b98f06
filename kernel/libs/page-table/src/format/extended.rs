//! Extended page tables (Intel SDM 325384-080, volume 3C, section 29.3 "The Extended Page Table
//! Mechanism (EPT)").

use super::{Bits, Format};
use crate::{Access, Level, MemoryKind};

const READ: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const EXECUTE: u64 = 1 << 2;
/// Bits 5:3 of a leaf, the memory type; 0 is uncached. Bit 6, "ignore PAT", stays clear.
const WRITE_BACK: u64 = 6 << 3;

/// Four levels. Access without [`Access::READ`] is refused: writable and not readable is a
/// misconfiguration, and fetch-only pages are an option of the hardware. Accessed and dirty
/// flags are not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {}

impl Format for Extended {
    const ROOT: Level = Level::Four;
    const ADDRESS_BITS: u32 = 48;
    const TABLE: u64 = READ | WRITE | EXECUTE;
    const LEAF: u64 = 0;
    const PRESENT: u64 = READ | WRITE | EXECUTE;
    const LEAST: Access = Access::READ;
    const ACCESSES: &'static [Bits<Access>] = &[
        Bits::set(Access::READ, READ),
        Bits::set(Access::WRITE, WRITE),
        Bits::set(Access::EXECUTE, EXECUTE),
    ];
    const UNCACHED: Bits<MemoryKind> = Bits::cleared(MemoryKind::Uncached, WRITE_BACK);
}
