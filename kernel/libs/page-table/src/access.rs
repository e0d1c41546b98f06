//! What a mapping allows and how it is cached, whatever the format.

use bitflags::bitflags;

bitflags! {
    /// The accesses that a mapping allows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Access: u8 {
        /// Reads.
        const READ = 1 << 0;
        /// Writes.
        const WRITE = 1 << 1;
        /// Instruction fetches.
        const EXECUTE = 1 << 2;
    }
}

/// How accesses through a mapping are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MemoryKind {
    /// Write back: RAM.
    WriteBack,
    /// Uncached: device registers.
    Uncached,
}
