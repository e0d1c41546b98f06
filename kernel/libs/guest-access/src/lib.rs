//! Accesses that were not the guest's to make by itself: what both back ends read out of the
//! hardware's words for one.
//!
//! Key types: [`PortAccess`] and [`MemoryFault`]. What to do about one is the kernel's to decide.

#![no_std]
#![forbid(unsafe_code)]

use addr::GuestPhysical;

/// Which way data goes, seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The guest reads.
    In,
    /// The guest writes.
    Out,
}

/// An access to an I/O port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortAccess {
    /// The first port.
    pub port: u16,
    /// 1, 2 or 4.
    pub bytes: u8,
    /// Which way.
    pub direction: Direction,
    /// INS or OUTS.
    pub string: bool,
    /// With a REP prefix.
    pub repeat: bool,
    /// The address of the instruction that follows.
    pub next_rip: u64,
}

/// An access that the second-stage table does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryFault {
    /// Where the guest took the memory to be.
    pub address: GuestPhysical,
    /// Whether it wanted to execute what is there.
    pub fetch: bool,
    /// Whether the CPU was walking the guest's own page tables.
    pub during_walk: bool,
}
