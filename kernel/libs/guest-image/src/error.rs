//! What can be wrong with an image.

use addr::{GuestPhysical, Range};
use thiserror::Error;

use crate::OutOfRange;

/// Why an image cannot be started, as a Linux kernel or by the PVH protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The bzImage ends within its header or its real-mode code.
    #[error("the kernel's file has {bytes} bytes and would need more than {needed}")]
    TooShort {
        /// The file's size.
        bytes: u64,
        /// The least size that it would need.
        needed: u64,
    },
    /// The boot sector's signature, 0xaa55, is missing.
    #[error("no bzImage: boot signature 0xaa55 is missing")]
    NoBootFlag,
    /// The header's magic, `HdrS`, is missing.
    #[error("no bzImage: header magic \"HdrS\" is missing")]
    NoMagic,
    /// The boot protocol is older than 2.12.
    #[error("boot protocol {}.{} is older than 2.12", version >> 8, version & 0xff)]
    ProtocolTooOld {
        /// Major and minor number, a byte each.
        version: u16,
    },
    /// A zImage, which is loaded below 1 MiB.
    #[error("a zImage; only a bzImage can be started")]
    NotLoadedHigh,
    /// A kernel without a 64-bit entry point.
    #[error("the kernel has no 64-bit entry point")]
    No64BitEntry,
    /// A bzImage's alignment is no power of two, or the preferred address does not have it.
    #[error("preferred address {preferred_address:#x} does not go with alignment {alignment:#x}")]
    Misaligned {
        /// Where the kernel wants to run.
        preferred_address: u64,
        /// The alignment that it says it needs.
        alignment: u64,
    },
    /// The partition's memory is too small for the kernel.
    #[error("the kernel needs {needed} bytes of memory from {at} on and there are {available}")]
    KernelDoesNotFit {
        /// Where the kernel wants to run.
        at: GuestPhysical,
        /// The bytes that it needs from there on.
        needed: u64,
        /// The bytes of low RAM from there on.
        available: u64,
    },
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
    /// The note with the PVH entry is missing, or among more notes than are searched.
    #[error("the ELF file has no PVH note (owner Xen, type 18, in a segment of 4 KiB at most)")]
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
    /// A segment lies over or below the one before it, or together they have more bytes than
    /// the file.
    #[error("the segment for {at} does not follow the one before it")]
    SegmentAgain {
        /// Where the segment was to go.
        at: GuestPhysical,
    },
    /// The entry is in no segment.
    #[error("the PVH entry {entry:#x} lies in no segment")]
    EntryOutside {
        /// What the note says.
        entry: u32,
    },
    /// The partition's memory is too small for the initial RAM disk.
    #[error("the initial RAM disk has {needed} bytes and there is room for {available}")]
    InitialRamdiskDoesNotFit {
        /// Its size.
        needed: u64,
        /// The bytes between the kernel and the highest address that it can reach.
        available: u64,
    },
    /// The command line is longer than the kernel or the layout allows.
    #[error("the command line has {bytes} bytes and may have {limit}")]
    CommandLineTooLong {
        /// Its length.
        bytes: u64,
        /// The longest possible one.
        limit: u64,
    },
    /// The command line contains a zero byte, which would end it.
    #[error("the command line has a zero byte")]
    CommandLineHasZero,
    /// The memory map and the partition's memory do not agree: our own mistake.
    #[error(transparent)]
    Memory(#[from] OutOfRange),
}
