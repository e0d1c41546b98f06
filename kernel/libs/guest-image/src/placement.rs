//! Where an initial RAM disk goes.

use addr::{Address, GuestPhysical, PageSize, Range};

use crate::layout::between;

/// The highest page-aligned place for `bytes` bytes inside `area`, or how many bytes there
/// would have been room for.
pub(crate) fn highest(
    area: Option<Range<GuestPhysical>>,
    bytes: u64,
) -> Result<GuestPhysical, u64> {
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
