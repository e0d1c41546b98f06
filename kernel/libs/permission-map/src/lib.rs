//! Maps in which a set bit denies an access: what SVM's permission maps and VMX's bitmaps
//! are made of.
//!
//! Key types: [`PermissionMap`], which begins with all bits set, and [`MsrMap`], one of MSRs,
//! whose bits a back end's [`MsrLayout`] places. Nothing opens a map of anything else.

#![no_std]
#![forbid(unsafe_code)]

use core::marker::PhantomData;

/// A map of `BYTES` bytes in whole pages, as hardware reads it.
#[repr(C, align(4096))]
#[derive(Clone)]
pub struct PermissionMap<const BYTES: usize> {
    bytes: [u8; BYTES],
}

impl<const BYTES: usize> PermissionMap<BYTES> {
    /// Every access is denied.
    #[must_use]
    pub const fn deny_all() -> Self {
        const { assert!(BYTES.is_multiple_of(4096)) };
        Self {
            bytes: [0xff; BYTES],
        }
    }

    /// The bits that allow something, in order.
    #[cfg(any(test, feature = "inspection"))]
    pub fn allowed(&self) -> impl Iterator<Item = usize> {
        let bytes = self.bytes.iter().zip((0..).step_by(8));
        bytes.flat_map(|(byte, first)| {
            let bits = (first..).take(8).zip(0..);
            bits.filter_map(move |(bit, shift)| (byte >> shift & 1 == 0).then_some(bit))
        })
    }

    fn allow(&mut self, bit: usize) -> bool {
        let Some(byte) = self.bytes.get_mut(bit / 8) else {
            return false;
        };
        *byte &= !(1 << (bit % 8));
        true
    }
}

/// The MSRs in a range that a map has bits for.
const RANGE_MSRS: u32 = 0x2000;

/// Where a map has its bits.
pub trait MsrLayout {
    /// The first MSR of each range, in the map's order.
    const RANGES: &'static [u32];
    /// The distance of a range's bits from those of the one before.
    const RANGE_BITS: usize;
    /// The distance of an MSR's bit from that of the one before.
    const MSR_BITS: usize;
    /// The distance of the bit for WRMSR from that for RDMSR.
    const WRITE_BITS: usize;
}

/// Which MSRs a guest reads and writes without an exit. Those in no range always exit.
#[repr(transparent)]
#[derive(Clone)]
pub struct MsrMap<L, const BYTES: usize> {
    map: PermissionMap<BYTES>,
    layout: PhantomData<L>,
}

impl<L: MsrLayout, const BYTES: usize> MsrMap<L, BYTES> {
    /// Every access is denied.
    #[must_use]
    pub const fn deny_all() -> Self {
        Self {
            map: PermissionMap::deny_all(),
            layout: PhantomData,
        }
    }

    /// Lets the guest read `msr` without an exit. `false`, and nothing changes, if the map has
    /// no bit for that MSR.
    pub fn allow_read(&mut self, msr: u32) -> bool {
        Self::read_bit(msr).is_some_and(|bit| self.map.allow(bit))
    }

    /// Lets the guest write `msr` without an exit; as [`MsrMap::allow_read`].
    pub fn allow_write(&mut self, msr: u32) -> bool {
        let bit = Self::read_bit(msr).and_then(|bit| bit.checked_add(L::WRITE_BITS));
        bit.is_some_and(|bit| self.map.allow(bit))
    }

    /// The bits that allow something, in order.
    #[cfg(any(test, feature = "inspection"))]
    pub fn allowed(&self) -> impl Iterator<Item = usize> {
        self.map.allowed()
    }

    fn read_bit(msr: u32) -> Option<usize> {
        let mut ranges = L::RANGES.iter().zip(0_usize..);
        ranges.find_map(|(first, range)| {
            let offset = msr.checked_sub(*first)?;
            let offset = (offset < RANGE_MSRS).then_some(usize::try_from(offset).ok()?)?;
            let in_range = offset.checked_mul(L::MSR_BITS)?;
            range.checked_mul(L::RANGE_BITS)?.checked_add(in_range)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One page with two ranges, and the bits for writing in its second half.
    enum Layout {}

    impl MsrLayout for Layout {
        const RANGES: &'static [u32] = &[0x0000_0000, 0xc000_0000];
        const RANGE_BITS: usize = 0x2000;
        const MSR_BITS: usize = 1;
        const WRITE_BITS: usize = 0x4000;
    }

    fn deny_all() -> MsrMap<Layout, 0x1000> {
        MsrMap::deny_all()
    }

    #[test]
    fn a_map_begins_at_deny_all() {
        let map = PermissionMap::<0x1000>::deny_all();
        assert_eq!(map.allowed().count(), 0);
        assert_eq!((align_of_val(&map), size_of_val(&map)), (4096, 4096));
        assert_eq!(deny_all().allowed().count(), 0);
    }

    #[test]
    fn what_lies_outside_stays_denied() {
        let mut map = PermissionMap::<0x1000>::deny_all();
        assert!(!map.allow(0x8000) && !map.allow(usize::MAX));
        assert_eq!(map.allowed().count(), 0);
    }

    #[test]
    fn an_msr_without_a_bit_stays_denied() {
        let mut map = deny_all();
        for msr in [0x2000, 0x4b56_4d00, 0xbfff_ffff, 0xc000_2000, u32::MAX] {
            assert!(!map.allow_read(msr) && !map.allow_write(msr), "{msr:#x}");
        }
        assert_eq!(map.allowed().count(), 0);
    }

    proptest! {
        #[test]
        fn allowing_one_access_allows_no_other(bit in 0_usize..0x8000) {
            let mut map = PermissionMap::<0x1000>::deny_all();
            prop_assert!(map.allow(bit));
            prop_assert!(map.allowed().eq([bit]));
        }

        #[test]
        fn allowing_one_msr_allows_no_other(
            index in 0_u32..0x2000, range in 0_usize..2, write: bool,
        ) {
            let mut map = deny_all();
            let msr = Layout::RANGES[range] | index;
            let allowed = if write { map.allow_write(msr) } else { map.allow_read(msr) };
            prop_assert!(allowed);
            let bit = usize::from(write) << 14 | range << 13 | index as usize;
            prop_assert!(map.allowed().eq([bit]));
        }
    }
}
