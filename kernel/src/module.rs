//! The boot module: the compiled plan and the guests' images.

use addr::{HostPhysical, Range};
use plan::bundle::{Bundle, BundleError};
use plan::{DecodeError, ImageIndex, Plan};
use thiserror::Error;

use crate::host::{heap, physical};

/// A decoded plan takes about as many bytes as the encoded one, in many small pieces; the
/// partitions' own records need the rest of the heap.
const MAXIMUM_PLAN_BYTES: usize = heap::LEAST_BYTES / 4;

/// Why there is no plan to follow.
#[derive(Debug, Error)]
pub enum ModuleError {
    /// The boot loader passed no module.
    #[error(
        "the boot loader passed no module; make one with `bulkhead plan compile` and pass it as \
         the kernel's module (QEMU: -initrd)"
    )]
    Absent,
    /// The module is not a bundle.
    #[error("{0}; make it again with this version's `bulkhead plan compile`")]
    Bundle(BundleError),
    /// The bundle's plan would not fit the boot heap once it is decoded.
    #[error(
        "the plan has {0} bytes, but this build takes {MAXIMUM_PLAN_BYTES}; shorten the guests' \
         command lines or have fewer partitions"
    )]
    TooLarge(usize),
    /// The bundle's plan cannot be read.
    #[error("{0}; make it again with this version's `bulkhead plan compile`")]
    Plan(DecodeError),
}

/// The bundle at `range`, and its plan.
///
/// # Errors
/// The bytes are no bundle, or its first entry is no plan.
pub fn open(range: Range<HostPhysical>) -> Result<(Bundle<'static>, Plan), ModuleError> {
    // SAFETY: the module lies below 4 GiB, where both address spaces of boot map it, and is
    // reserved before any memory is given out: nobody writes it.
    let bytes = unsafe { physical::bytes(range) };
    let bundle = Bundle::parse(bytes).map_err(ModuleError::Bundle)?;
    let entry = bundle.entry(ImageIndex(0)).unwrap_or_default();
    if entry.len() > MAXIMUM_PLAN_BYTES {
        return Err(ModuleError::TooLarge(entry.len()));
    }
    let plan = plan::decode(entry).map_err(ModuleError::Plan)?;
    Ok((bundle, plan))
}

/// CRC-32C of `bytes`, by the CPU's instruction where it has one: 8 bytes a step instead of
/// one, for images of many megabytes.
pub fn checksum(bytes: &[u8]) -> u32 {
    const SSE4_2: u32 = 1 << 20;
    if core::arch::x86_64::__cpuid(1).ecx & SSE4_2 == 0 {
        return plan::crc32c(bytes);
    }
    // Sixty-four words a turn: an image has millions of them.
    let (blocks, rest) = bytes.as_chunks::<512>();
    let mut state = u64::from(u32::MAX);
    for block in blocks {
        // SAFETY: SSE4.2 has the instruction, which reads the 512 bytes of the block.
        unsafe {
            core::arch::asm!(
                ".set word, 0",
                ".rept 64",
                "crc32 {0}, qword ptr [{1} + word]",
                ".set word, word + 8",
                ".endr",
                inout(reg) state, in(reg) block.as_ptr(),
                options(pure, readonly, nostack, preserves_flags)
            )
        };
    }
    for byte in rest {
        let byte = *byte;
        // SAFETY: as above; it uses registers only.
        unsafe {
            core::arch::asm!("crc32 {0}, {1}", inout(reg) state, in(reg_byte) byte,
                options(pure, nomem, nostack, preserves_flags))
        };
    }
    !(state as u32)
}
