//! Which memory is whose: what the firmware calls usable, less what Bulkhead itself fills.

extern crate alloc;
use alloc::vec::Vec;

use addr::{Address, HostPhysical, PageSize, Range};
use boot_info::BootInfo;

/// Memory below this is firmware's playground and the application processors' first page.
const LOW_MEMORY_END: u64 = 1 << 20;

/// The machine's usable RAM and what Bulkhead fills of it.
pub struct MemoryMap {
    usable: Vec<Range<HostPhysical>>,
    reserved: Vec<Range<HostPhysical>>,
}

impl MemoryMap {
    /// The firmware's map, cut to whole pages.
    pub fn new(boot: &BootInfo) -> Self {
        let usable = boot.usable().filter_map(|range| {
            let start = range.start().align_up(PageSize::Size4KiB)?;
            let end = range.end().align_down(PageSize::Size4KiB);
            Range::new(start, end.checked_offset_from(start)?)
        });
        Self {
            usable: usable.collect(),
            reserved: Vec::new(),
        }
    }

    /// Keeps `range` from being given to anybody else.
    pub fn reserve(&mut self, range: Range<HostPhysical>) {
        self.reserved.push(range);
    }

    /// All usable RAM that is data: without page 0 and without `image`, whose sections have
    /// rights of their own. `module` is among it even where the firmware does not call its
    /// pages usable: QEMU lays the end of one over memory that SeaBIOS keeps.
    pub fn data(
        &self,
        image: Range<HostPhysical>,
        module: Range<HostPhysical>,
    ) -> Vec<Range<HostPhysical>> {
        let page_0 = Range::new(HostPhysical::new(0), PageSize::Size4KiB.bytes());
        let mut data = subtract(self.usable.clone(), page_0.into_iter().chain([image]));
        data.extend(subtract(
            whole_pages(module).into_iter().collect(),
            self.usable.iter().copied(),
        ));
        data
    }

    /// All usable RAM, whoever owns it.
    pub fn usable(&self) -> Vec<Range<HostPhysical>> {
        self.usable.clone()
    }

    /// Whether the page at `page` is usable RAM.
    pub fn is_usable(&self, page: HostPhysical) -> bool {
        let page = Range::new(page, PageSize::Size4KiB.bytes());
        let inside = |page| self.usable.iter().any(|range| range.encloses(page));
        page.is_some_and(inside)
    }

    /// Usable RAM above the first MiB without the reserved ranges.
    pub fn free(&self) -> Vec<Range<HostPhysical>> {
        let low = Range::new(HostPhysical::new(0), LOW_MEMORY_END);
        subtract(
            self.usable.clone(),
            self.reserved.iter().copied().chain(low),
        )
    }

    /// The lowest free range of `bytes`, aligned to 2 MiB, below 4 GiB, that overlaps none of
    /// `owned`.
    pub fn find(
        &self,
        bytes: u64,
        owned: impl Iterator<Item = Range<HostPhysical>>,
    ) -> Option<Range<HostPhysical>> {
        let candidates = subtract(self.free(), owned)
            .into_iter()
            .filter_map(|range| {
                let start = range.start().align_up(PageSize::Size2MiB)?;
                let candidate = Range::new(start, bytes)?;
                (range.encloses(candidate) && candidate.end().as_u64() <= 1 << 32)
                    .then_some(candidate)
            });
        candidates.min()
    }
}

/// The pages that `range` touches.
fn whole_pages(range: Range<HostPhysical>) -> Option<Range<HostPhysical>> {
    let start = range.start().align_down(PageSize::Size4KiB);
    let end = range.end().align_up(PageSize::Size4KiB)?;
    Range::new(start, end.checked_offset_from(start)?)
}

/// What of `ranges` is in none of `holes`.
fn subtract(
    ranges: Vec<Range<HostPhysical>>,
    holes: impl Iterator<Item = Range<HostPhysical>>,
) -> Vec<Range<HostPhysical>> {
    holes.fold(ranges, |left, hole| {
        left.into_iter()
            .flat_map(|range| without(range, hole))
            .collect()
    })
}

/// What of `range` is not in `hole`: nothing, one or two ranges.
fn without(
    range: Range<HostPhysical>,
    hole: Range<HostPhysical>,
) -> impl Iterator<Item = Range<HostPhysical>> {
    let before = hole.start().min(range.end());
    let after = hole.end().max(range.start());
    let pieces = [
        before
            .checked_offset_from(range.start())
            .map(|bytes| (range.start(), bytes)),
        range
            .end()
            .checked_offset_from(after)
            .map(|bytes| (after, bytes)),
    ];
    pieces
        .into_iter()
        .flatten()
        .filter_map(|(start, bytes)| Range::new(start, bytes))
}
