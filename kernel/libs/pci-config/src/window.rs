//! Places BARs in the window of a bridge, around what is there already.
//!
//! Key type: [`Allocator`]. First the caller reserves what firmware assigned, then it
//! places what firmware left at zero, such as VF BARs.

use addr::{Address, HostPhysical, Range};

/// The number of ranges that one window can hold.
pub const CAPACITY: usize = 64;

/// The window has no room left in its list of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// The used ranges of one window.
#[derive(Debug, Clone)]
pub struct Allocator {
    window: Range<HostPhysical>,
    used: [Option<Range<HostPhysical>>; CAPACITY],
}

impl Allocator {
    /// An allocator over `window`, all of it free.
    #[must_use]
    pub const fn new(window: Range<HostPhysical>) -> Self {
        Self {
            window,
            used: [None; CAPACITY],
        }
    }

    /// The window.
    #[must_use]
    pub const fn window(&self) -> Range<HostPhysical> {
        self.window
    }

    /// Marks `range` as used. Ranges may overlap, and may lie outside the window.
    ///
    /// # Errors
    /// The list is full.
    pub fn reserve(&mut self, range: Range<HostPhysical>) -> Result<(), Full> {
        if !self.window.overlaps(range) {
            return Ok(());
        }
        let slot = self
            .used
            .iter_mut()
            .find(|slot| slot.is_none())
            .ok_or(Full)?;
        *slot = Some(range);
        Ok(())
    }

    /// Takes the lowest free range of `bytes` bytes that starts at a multiple of
    /// `alignment`, which is a power of two; `None` if there is none.
    pub fn place(&mut self, bytes: u64, alignment: u64) -> Option<Range<HostPhysical>> {
        if !alignment.is_power_of_two() {
            return None;
        }
        let mut start = align_up(self.window.start(), alignment)?;
        // Each step goes past at least one used range and never back.
        for _ in 0..=CAPACITY {
            let wanted = Range::new(start, bytes)?;
            if !self.window.encloses(wanted) {
                return None;
            }
            match self.last_end_of_overlap(wanted) {
                Some(end) => start = align_up(end, alignment)?,
                None => return self.reserve(wanted).ok().map(|()| wanted),
            }
        }
        None
    }

    fn last_end_of_overlap(&self, wanted: Range<HostPhysical>) -> Option<HostPhysical> {
        let overlapping = self
            .used
            .iter()
            .flatten()
            .filter(|range| range.overlaps(wanted));
        overlapping.map(|range| range.end()).max()
    }
}

fn align_up(address: HostPhysical, alignment: u64) -> Option<HostPhysical> {
    let below = alignment.wrapping_sub(1);
    address
        .checked_add(below)
        .map(|end| HostPhysical::new(end.as_u64() & !below))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, bytes: u64) -> Range<HostPhysical> {
        Range::new(HostPhysical::new(start), bytes).unwrap()
    }

    #[test]
    fn a_bar_is_placed_behind_what_firmware_assigned() {
        let mut allocator = Allocator::new(range(0xfe80_0000, 0x20_0000));
        allocator.reserve(range(0xfe80_0000, 0x4000)).unwrap();
        assert_eq!(
            allocator.place(0x1_0000, 0x4000),
            Some(range(0xfe80_4000, 0x1_0000))
        );
        assert_eq!(
            allocator.place(0x8000, 0x8000),
            Some(range(0xfe81_8000, 0x8000))
        );
    }

    #[test]
    fn a_hole_between_two_ranges_is_used() {
        let mut allocator = Allocator::new(range(0x1000_0000, 0x10_0000));
        allocator.reserve(range(0x1000_0000, 0x1000)).unwrap();
        allocator.reserve(range(0x1000_2000, 0x1000)).unwrap();
        assert_eq!(
            allocator.place(0x1000, 0x1000),
            Some(range(0x1000_1000, 0x1000))
        );
        assert_eq!(
            allocator.place(0x1000, 0x1000),
            Some(range(0x1000_3000, 0x1000))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut allocator = Allocator::new(range(0x1000, 0x3000));
        assert_eq!(allocator.place(0x4000, 0x1000), None);
        assert_eq!(allocator.place(0x1000, 0x1_0000), None);
        assert_eq!(allocator.place(0, 0x1000), None);
        assert_eq!(allocator.place(0x1000, 3), None);
        assert_eq!(allocator.place(0x1000, 0), None);
    }

    #[test]
    fn a_full_list_places_nothing_more() {
        let mut allocator = Allocator::new(range(0, 1 << 30));
        for _ in 0..CAPACITY {
            allocator.place(0x1000, 0x1000).unwrap();
        }
        assert_eq!(allocator.place(0x1000, 0x1000), None);
        assert_eq!(allocator.reserve(range(0, 1)), Err(Full));
    }

    proptest! {
        #[test]
        fn placed_ranges_are_aligned_inside_and_disjoint(
            wishes in prop::collection::vec((0_u64..10, 0_u32..10), 1..40),
            reserved in prop::collection::vec((0_u64..1 << 20, 1_u64..1 << 14), 0..10),
        ) {
            let window = range(0x10_0000, 0x10_0000);
            let mut allocator = Allocator::new(window);
            let mut taken = Vec::new();
            for (offset, bytes) in reserved {
                let range = range(0x10_0000_u64.wrapping_add(offset), bytes);
                allocator.reserve(range).unwrap();
                taken.push(range);
            }
            for (pages, alignment) in wishes {
                let alignment = 1 << (12_u32.wrapping_add(alignment));
                let Some(placed) = allocator.place(pages << 12, alignment) else { continue };
                prop_assert!(window.encloses(placed));
                prop_assert_eq!(placed.start().as_u64() & (alignment.wrapping_sub(1)), 0);
                prop_assert!(taken.iter().all(|other| !other.overlaps(placed)));
                taken.push(placed);
            }
        }
    }
}
