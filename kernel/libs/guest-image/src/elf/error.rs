//! What can be wrong with an ELF file.

use addr::{GuestPhysical, Range};
use thiserror::Error;

use crate::OutOfRange;
use crate::layout::COMMAND_LINE_LIMIT;

/// Why a file cannot be started by the PVH protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ElfError {
    /// No ELF file, or one that ends within its headers.
    #[error("no ELF file")]
    NotElf,
    /// An ELF file, but not a 64-bit one for x86-64.
    #[error("no 64-bit ELF file for x86-64")]
    OtherMachine,
    /// There is no program header.
    #[error("the ELF file has no program headers")]
    NoSegments,
    /// There are more program headers than anybody needs.
    #[error("the ELF file has {segments} program headers and may have {limit}")]
    TooManySegments {
        /// The program headers of the file.
        segments: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The note with the PVH entry is missing.
    #[error("the ELF file has no PVH note (owner Xen, type 18)")]
    NoPvhNote,
    /// A segment leaves the file, wraps around, or has more bytes in the file than in memory.
    #[error("the segment for {at} is not within the file")]
    SegmentDamaged {
        /// Where the segment was to go.
        at: GuestPhysical,
    },
    /// A segment leaves the memory that a kernel may be loaded to.
    #[error("the segment for {segment} does not lie in the memory for kernels, {area}")]
    SegmentOutside {
        /// Where the segment was to go.
        segment: Range<GuestPhysical>,
        /// Where it may go.
        area: Range<GuestPhysical>,
    },
    /// The entry is in no segment.
    #[error("the PVH entry {entry:#x} lies in no segment")]
    EntryOutside {
        /// What the note says.
        entry: u32,
    },
    /// The partition's memory is too small for the module.
    #[error("the module has {needed} bytes and there is room for {available}")]
    ModuleDoesNotFit {
        /// Its size.
        needed: u64,
        /// The bytes above the kernel.
        available: u64,
    },
    /// The command line is longer than the layout allows.
    #[error("the command line has {bytes} bytes and may have {COMMAND_LINE_LIMIT}")]
    CommandLineTooLong {
        /// Its length.
        bytes: u64,
    },
    /// The command line contains a zero byte, which would end it.
    #[error("the command line has a zero byte")]
    CommandLineHasZero,
    /// The memory map and the partition's memory do not agree: our own mistake.
    #[error(transparent)]
    Memory(#[from] OutOfRange),
}
