//! Ranges of input addresses that are known to fit a format.

use addr::{HostPhysical, PageSize};

use crate::{Access, Format, MapError, MemoryKind};

/// The width of host-physical addresses that all formats have room for: entries keep bits
/// 51:12.
const HOST_ADDRESS_BITS: u32 = 52;

/// A range of input addresses: whole pages, not empty, inside the format's address width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: u64,
    pub end: u64,
}

impl Span {
    pub fn new<F: Format>(start: u64, bytes: u64) -> Result<Self, MapError> {
        if bytes == 0 || !is_page_aligned(start) || !is_page_aligned(bytes) {
            return Err(MapError::Misaligned);
        }
        let end = end_within(start, bytes, F::ADDRESS_BITS)?;
        Ok(Self { start, end })
    }
}

/// What is still to be mapped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    pub from: u64,
    pub to: HostPhysical,
    pub bytes: u64,
    pub access: Access,
    pub kind: MemoryKind,
    pub target: Target,
}

/// Where the pages of a span lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Each to the next one in memory.
    Consecutive,
    /// All to the same page of 4 KiB.
    OnePage,
}

impl Rest {
    /// Checks the host-physical side.
    pub fn check(&self) -> Result<(), MapError> {
        if !is_page_aligned(self.to.as_u64()) {
            return Err(MapError::Misaligned);
        }
        let bytes = match self.target {
            Target::Consecutive => self.bytes,
            Target::OnePage => PageSize::Size4KiB.bytes(),
        };
        end_within(self.to.as_u64(), bytes, HOST_ADDRESS_BITS).map(|_| ())
    }

    /// The largest page, at most `largest`, with which the rest can begin.
    pub fn page_size(&self, largest: PageSize) -> PageSize {
        [PageSize::Size1GiB, PageSize::Size2MiB]
            .into_iter()
            .find(|size| *size <= largest && self.can_begin_with(*size))
            .unwrap_or(PageSize::Size4KiB)
    }

    fn can_begin_with(&self, size: PageSize) -> bool {
        let aligned = |address: u64| address.is_multiple_of(size.bytes());
        self.target == Target::Consecutive
            && size.bytes() <= self.bytes
            && aligned(self.from)
            && aligned(self.to.as_u64())
    }

    /// How far one page's address in memory is from that of the next.
    pub const fn step(&self, page: PageSize) -> u64 {
        match self.target {
            Target::Consecutive => page.bytes(),
            Target::OnePage => 0,
        }
    }

    /// What remains behind the first `done` bytes; `None` at the end.
    pub fn behind(&self, done: u64) -> Option<Self> {
        let to = match self.target {
            Target::Consecutive => HostPhysical::new(self.to.as_u64().checked_add(done)?),
            Target::OnePage => self.to,
        };
        Some(Self {
            from: self.from.checked_add(done)?,
            to,
            bytes: self.bytes.checked_sub(done).filter(|bytes| *bytes > 0)?,
            ..*self
        })
    }
}

fn is_page_aligned(value: u64) -> bool {
    value.is_multiple_of(PageSize::Size4KiB.bytes())
}

fn end_within(start: u64, bytes: u64, address_bits: u32) -> Result<u64, MapError> {
    start
        .checked_add(bytes)
        .filter(|end| *end <= 1 << address_bits)
        .ok_or(MapError::BeyondAddressWidth)
}
