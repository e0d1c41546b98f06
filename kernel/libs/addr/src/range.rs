//! A range of addresses that is known to be neither empty nor to wrap around.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, PageSize};

/// A non-empty range of addresses whose last byte is below 2^64 - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "(A, u64)", into = "(A, u64)")]
#[serde(bound(
    serialize = "A: Address + Serialize",
    deserialize = "A: Address + Deserialize<'de>"
))]
pub struct Range<A> {
    start: A,
    bytes: u64,
}

impl<A: Address> Range<A> {
    /// The range of `bytes` bytes from `start` on; `None` if it is empty or wraps around.
    #[must_use]
    pub fn new(start: A, bytes: u64) -> Option<Self> {
        (bytes > 0 && start.checked_add(bytes).is_some()).then_some(Self { start, bytes })
    }

    /// The first byte's address.
    #[must_use]
    pub fn start(self) -> A {
        self.start
    }

    /// The address one past the last byte.
    #[must_use]
    pub fn end(self) -> A {
        // `new` has shown that this does not wrap.
        A::from_u64(self.start.to_u64().wrapping_add(self.bytes))
    }

    /// The length in bytes, never 0.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.bytes
    }

    /// Whether `address` lies inside.
    #[must_use]
    pub fn contains(self, address: A) -> bool {
        address >= self.start && address < self.end()
    }

    /// The bytes from the start up to `address`, if that lies inside.
    #[must_use]
    pub fn offset_of(self, address: A) -> Option<u64> {
        let offset = address.checked_offset_from(self.start);
        offset.filter(|offset| *offset < self.bytes)
    }

    /// Whether all of `other` lies inside.
    #[must_use]
    pub fn encloses(self, other: Self) -> bool {
        other.start >= self.start && other.end() <= self.end()
    }

    /// Whether the two have a byte in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end() && other.start < self.end()
    }

    /// Whether both ends are page boundaries.
    #[must_use]
    pub fn is_aligned(self, size: PageSize) -> bool {
        self.start.is_aligned(size) && self.end().is_aligned(size)
    }
}

impl<A: Address> TryFrom<(A, u64)> for Range<A> {
    type Error = &'static str;

    fn try_from((start, bytes): (A, u64)) -> Result<Self, Self::Error> {
        Self::new(start, bytes).ok_or("an empty range, or one that wraps around")
    }
}

impl<A> From<Range<A>> for (A, u64) {
    fn from(range: Range<A>) -> Self {
        (range.start, range.bytes)
    }
}

impl<A: Address> fmt::Display for Range<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}..{}", self.start, self.end())
    }
}

impl<A: Address> fmt::Debug for Range<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Range({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::HostPhysical;

    fn range(start: u64, bytes: u64) -> Range<HostPhysical> {
        Range::new(HostPhysical::new(start), bytes).unwrap()
    }

    #[test]
    fn empty_and_wrapping_ranges_do_not_exist() {
        assert_eq!(Range::new(HostPhysical::new(1), 0), None);
        assert_eq!(Range::new(HostPhysical::new(u64::MAX), 1), None);
        assert!(Range::new(HostPhysical::new(u64::MAX), 0).is_none());
    }

    #[test]
    fn neighbours_do_not_overlap() {
        assert!(!range(0, 0x1000).overlaps(range(0x1000, 0x1000)));
        assert!(range(0, 0x1001).overlaps(range(0x1000, 0x1000)));
        assert!(range(0, 0x3000).encloses(range(0x1000, 0x1000)));
    }

    proptest! {
        #[test]
        fn overlap_is_a_shared_byte(a in 0_u64..64, m in 1_u64..64, b in 0_u64..64, n in 1_u64..64) {
            let (left, right) = (range(a, m), range(b, n));
            let shared = (0..256).any(|byte| {
                let byte = HostPhysical::new(byte);
                left.contains(byte) && right.contains(byte)
            });
            prop_assert_eq!(left.overlaps(right), shared);
            prop_assert_eq!(right.overlaps(left), shared);
        }
    }
}
