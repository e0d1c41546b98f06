//! What can be wrong with an ELF file.

use core::fmt;

use addr::{GuestPhysical, Range};

use crate::OutOfRange;

/// Why a file cannot be started by the PVH protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElfError {
    /// No ELF file, or one that ends within its headers.
    NotElf,
    /// An ELF file, but not a 64-bit one for x86-64.
    OtherMachine,
    /// There is no program header.
    NoSegments,
    /// There are more program headers than anybody needs.
    TooManySegments {
        /// The program headers of the file.
        segments: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The note with the PVH entry is missing.
    NoPvhNote,
    /// A segment leaves the file, wraps around, or has more bytes in the file than in memory.
    SegmentDamaged {
        /// Where the segment was to go.
        at: GuestPhysical,
    },
    /// A segment leaves the memory that a kernel may be loaded to.
    SegmentOutside {
        /// Where the segment was to go.
        segment: Range<GuestPhysical>,
        /// Where it may go.
        area: Range<GuestPhysical>,
    },
    /// The entry is in no segment.
    EntryOutside {
        /// What the note says.
        entry: u32,
    },
    /// The partition's memory is too small for the module.
    ModuleDoesNotFit {
        /// Its size.
        needed: u64,
        /// The bytes above the kernel.
        available: u64,
    },
    /// The command line is longer than the layout allows.
    CommandLineTooLong {
        /// Its length.
        bytes: u64,
    },
    /// The command line contains a zero byte, which would end it.
    CommandLineHasZero,
    /// The memory map and the partition's memory do not agree: our own mistake.
    Memory(OutOfRange),
}

impl From<OutOfRange> for ElfError {
    fn from(error: OutOfRange) -> Self {
        Self::Memory(error)
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf => formatter.write_str("no ELF file"),
            Self::OtherMachine => formatter.write_str("no 64-bit ELF file for x86-64"),
            Self::NoSegments => formatter.write_str("the ELF file has no program headers"),
            Self::TooManySegments { segments, limit } => write!(
                formatter,
                "the ELF file has {segments} program headers and may have {limit}"
            ),
            Self::NoPvhNote => {
                formatter.write_str("the ELF file has no PVH note (owner Xen, type 18)")
            }
            Self::SegmentDamaged { at } => {
                write!(formatter, "the segment for {at} is not within the file")
            }
            Self::SegmentOutside { segment, area } => write!(
                formatter,
                "the segment for {segment} does not lie in the memory for kernels, {area}"
            ),
            Self::EntryOutside { entry } => {
                write!(formatter, "the PVH entry {entry:#x} lies in no segment")
            }
            Self::ModuleDoesNotFit { needed, available } => write!(
                formatter,
                "the module has {needed} bytes and there is room for {available}"
            ),
            Self::CommandLineTooLong { bytes } => write!(
                formatter,
                "the command line has {bytes} bytes and may have {}",
                crate::layout::COMMAND_LINE_LIMIT
            ),
            Self::CommandLineHasZero => formatter.write_str("the command line has a zero byte"),
            Self::Memory(error) => error.fmt(formatter),
        }
    }
}

impl core::error::Error for ElfError {}
