//! Places BARs in windows of addresses, around what is there already.
//!
//! Key types: [`Allocator`], one window: first the caller reserves what is assigned, then it
//! places what is not, such as VF BARs. [`Windows`], the two that a root bridge has.

use alloc::vec::Vec;

use addr::{Address, Range};

use crate::{Bar, BarKind};

/// The used ranges of one window.
#[derive(Debug, Clone)]
pub struct Allocator<A: Address> {
    window: Range<A>,
    used: Vec<Range<A>>,
}

impl<A: Address> Allocator<A> {
    /// An allocator over `window`, all of it free.
    #[must_use]
    pub const fn new(window: Range<A>) -> Self {
        let used = Vec::new();
        Self { window, used }
    }

    /// Marks `range` as used. Ranges may overlap, and may lie outside the window.
    pub fn reserve(&mut self, range: Range<A>) {
        if self.window.overlaps(range) {
            self.used.push(range);
        }
    }

    /// Takes the lowest free range of `bytes` bytes that starts at a multiple of
    /// `alignment`, which is a power of two; `None` if there is none.
    pub fn place(&mut self, bytes: u64, alignment: u64) -> Option<Range<A>> {
        if !alignment.is_power_of_two() {
            return None;
        }
        let mut start = align_up(self.window.start(), alignment)?;
        // Each step goes past at least one used range and never back.
        for _ in 0..=self.used.len() {
            let wanted = Range::new(start, bytes)?;
            if !self.window.encloses(wanted) {
                return None;
            }
            match self.last_end_of_overlap(wanted) {
                Some(end) => start = align_up(end, alignment)?,
                None => {
                    self.used.push(wanted);
                    return Some(wanted);
                }
            }
        }
        None
    }

    fn last_end_of_overlap(&self, wanted: Range<A>) -> Option<A> {
        let used = self.used.iter();
        let overlapping = used.filter(|range| range.overlaps(wanted));
        overlapping.map(|range| range.end()).max()
    }
}

fn align_up<A: Address>(address: A, alignment: u64) -> Option<A> {
    let below = alignment.wrapping_sub(1);
    address
        .checked_add(below)
        .map(|end| A::from_u64(end.to_u64() & !below))
}

/// The windows of a root bridge: one below 4 GiB, and one above for what finds no room there.
#[derive(Debug, Clone)]
pub struct Windows<A: Address> {
    below: Option<Allocator<A>>,
    above: Option<Allocator<A>>,
}

impl<A: Address> Windows<A> {
    /// Those of the two that there are, free.
    #[must_use]
    pub fn new(below: Option<Range<A>>, above: Option<Range<A>>) -> Self {
        Self {
            below: below.map(Allocator::new),
            above: above.map(Allocator::new),
        }
    }

    /// Gives a memory BAR the lowest free address that is a multiple of its size, above 4 GiB
    /// only if it has 64 bits and finds none below; `None` if there is none for it.
    pub fn place(&mut self, bar: &Bar) -> Option<Bar> {
        let above = match bar.kind {
            BarKind::Io => return None,
            BarKind::Memory32 { .. } => None,
            BarKind::Memory64 { .. } => self.above.as_mut(),
        };
        let mut windows = [self.below.as_mut(), above].into_iter().flatten();
        let place = windows.find_map(|window| window.place(bar.size, bar.size))?;
        let address = place.start().to_u64();
        Some(Bar { address, ..*bar })
    }

    /// What has been placed.
    pub fn used(&self) -> impl Iterator<Item = Range<A>> {
        let windows = self.below.iter().chain(&self.above);
        windows.flat_map(|window| window.used.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use addr::HostPhysical;
    use proptest::prelude::*;

    use super::*;

    fn range(start: u64, bytes: u64) -> Range<HostPhysical> {
        Range::new(HostPhysical::new(start), bytes).unwrap()
    }

    #[test]
    fn a_bar_is_placed_behind_what_firmware_assigned() {
        let mut allocator = Allocator::new(range(0xfe80_0000, 0x20_0000));
        allocator.reserve(range(0xfe80_0000, 0x4000));
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
        allocator.reserve(range(0x1000_0000, 0x1000));
        allocator.reserve(range(0x1000_2000, 0x1000));
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

    const fn bar(kind: BarKind, size: u64) -> Bar {
        Bar {
            index: 0,
            kind,
            address: 0xfe80_0000,
            size,
        }
    }

    const NARROW: BarKind = BarKind::Memory32 {
        prefetchable: false,
    };
    const WIDE: BarKind = BarKind::Memory64 { prefetchable: true };

    #[test]
    fn only_a_bar_of_64_bits_that_finds_no_room_below_lies_above_4_gib() {
        let below = range(0x2810_0000, 0x1ff0_0000);
        let above = range(0x1_4000_0000, 0x40_0000_0000);
        let mut windows = Windows::new(Some(below), Some(above));
        let mut place = |kind, size| {
            let placed = windows.place(&bar(kind, size))?;
            assert_eq!((placed.kind, placed.size), (kind, size));
            Some(placed.address)
        };
        assert_eq!(place(NARROW, 0x2000), Some(0x2810_0000));
        assert_eq!(place(WIDE, 0x4000), Some(0x2810_4000));
        assert_eq!(place(WIDE, 0x1000_0000), Some(0x3000_0000));
        assert_eq!(place(WIDE, 0x1000_0000), Some(0x1_4000_0000));
        assert_eq!(place(WIDE, 0x8_0000_0000), Some(0x8_0000_0000));
        assert_eq!(place(NARROW, 0x1000_0000), None);
        assert_eq!(place(NARROW, 0x1000), Some(0x2810_2000));
        assert_eq!(place(WIDE, 0x80_0000_0000), None);
        assert_eq!(place(BarKind::Io, 0x1000), None);
        let used: u64 = windows.used().map(Range::bytes).sum();
        assert_eq!(used, 0x8_2000_7000);
    }

    #[test]
    fn without_a_window_above_what_does_not_fit_below_is_refused() {
        let mut windows = Windows::new(Some(range(0x2810_0000, 0x10_0000)), None);
        assert_eq!(windows.place(&bar(WIDE, 0x20_0000)), None);
        assert_eq!(windows.used().count(), 0);
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
                allocator.reserve(range);
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
