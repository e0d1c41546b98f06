//! What both boot protocols bring beside the kernel: command line and initial RAM disk.

use addr::{Address, GuestPhysical, PageSize, Range};

use crate::layout::{COMMAND_LINE, COMMAND_LINE_LIMIT, between};
use crate::memory::byte_count;
use crate::{GuestMemory, ImageError};

/// Copies the command line; memory is clear, so its terminating zero is there already. A kernel
/// may take less of it than the layout.
pub(crate) fn write_command_line(
    memory: &mut impl GuestMemory,
    command_line: &str,
    kernel_limit: u64,
) -> Result<(), ImageError> {
    let bytes = byte_count(command_line.as_bytes());
    let limit = kernel_limit.min(COMMAND_LINE_LIMIT);
    if bytes > limit {
        return Err(ImageError::CommandLineTooLong { bytes, limit });
    }
    if command_line.contains('\0') {
        return Err(ImageError::CommandLineHasZero);
    }
    Ok(memory.write(COMMAND_LINE, command_line.as_bytes())?)
}

/// Copies the initial RAM disk, if there is one, to the highest place in `area`.
pub(crate) fn load_ramdisk(
    memory: &mut impl GuestMemory,
    content: Option<&[u8]>,
    area: Option<Range<GuestPhysical>>,
) -> Result<Option<Range<GuestPhysical>>, ImageError> {
    let Some(content) = content.filter(|content| !content.is_empty()) else {
        return Ok(None);
    };
    let needed = byte_count(content);
    let start = highest(area, needed)
        .map_err(|available| ImageError::InitialRamdiskDoesNotFit { needed, available })?;
    memory.write(start, content)?;
    Ok(Range::new(start, needed))
}

/// The highest page-aligned place for `bytes` bytes inside `area`, or how many bytes there
/// would have been room for.
fn highest(area: Option<Range<GuestPhysical>>, bytes: u64) -> Result<GuestPhysical, u64> {
    let available = area.map_or(0, Range::bytes);
    let place = || {
        let area = area?;
        let start = area.end().to_u64().checked_sub(bytes)?;
        let start = GuestPhysical::new(start).align_down(PageSize::Size4KiB);
        (start >= area.start()).then_some(start)
    };
    place().ok_or(available)
}

/// The part of `area` from the first page boundary at or above `used_end` up to `limit`.
pub(crate) fn above(
    area: Range<GuestPhysical>,
    used_end: GuestPhysical,
    limit: GuestPhysical,
) -> Option<Range<GuestPhysical>> {
    let start = used_end.max(area.start()).align_up(PageSize::Size4KiB)?;
    between(start, area.end().min(limit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, bytes: u64) -> Range<GuestPhysical> {
        Range::new(GuestPhysical::new(start), bytes).unwrap()
    }

    #[test]
    fn what_does_not_fit_says_how_much_would() {
        assert_eq!(highest(Some(range(0x1000, 0x800)), 0x801), Err(0x800));
        assert_eq!(highest(None, 1), Err(0));
    }

    proptest! {
        #[test]
        fn a_place_is_aligned_and_inside(start in 0_u64..64, pages in 1_u64..64, bytes in 1_u64..0x4_0000) {
            let area = range(start << 12, pages << 12);
            match highest(Some(area), bytes) {
                Ok(at) => {
                    prop_assert!(at.is_aligned(PageSize::Size4KiB));
                    prop_assert!(area.encloses(Range::new(at, bytes).unwrap()));
                }
                Err(available) => prop_assert!(bytes > available),
            }
        }
    }
}
