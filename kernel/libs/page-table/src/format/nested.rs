//! Nested page tables (AMD APM 24593-3.42, volume 2, section 15.25 "Nested Paging").

use super::host::Host;
use super::{Bits, Format};
use crate::{Access, Level, MemoryKind};

/// U/S: user accesses too.
const USER: u64 = 1 << 2;

/// The host's format with U/S set everywhere: the walker takes every access of a guest for a
/// user's (section 15.25.5 "Nested Table Walk"). NX needs the *host's* EFER.NXE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nested {}

impl Format for Nested {
    const ROOT: Level = Level::Four;
    const ADDRESS_BITS: u32 = 48;
    const TABLE: u64 = Host::TABLE | USER;
    const LEAF: u64 = Host::LEAF | USER;
    const PRESENT: u64 = Host::PRESENT;
    const LEAST: Access = Host::LEAST;
    const ACCESSES: &'static [Bits<Access>] = Host::ACCESSES;
    const UNCACHED: Bits<MemoryKind> = Host::UNCACHED;
}
