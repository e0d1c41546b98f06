//! The MSR bitmap and the I/O bitmaps: one bit denies one access. Both begin with all bits set.

use permission_map::{MsrPermissions, PermissionMap};

/// Which MSRs a guest reads and writes without an exit (SDM, section 25.6.9 "MSR-Bitmap
/// Address"): 1 KiB each for reading low MSRs, reading high ones, writing low ones, writing
/// high ones. All other MSRs always exit.
#[repr(transparent)]
#[derive(Clone)]
pub struct MsrBitmap(PermissionMap<0x1000>);

impl MsrBitmap {
    /// The first MSR of each range, in the order of the bitmap.
    const RANGES: [u32; 2] = [0x0000_0000, 0xc000_0000];
    /// The MSRs in a range.
    const RANGE_MSRS: u32 = 0x2000;
    /// The bits that each range takes: 1 KiB.
    const RANGE_BITS: usize = 0x400 * 8;
    /// Where the bits for WRMSR begin.
    const WRITE_BITS: usize = 0x800 * 8;

    /// Every access exits.
    #[must_use]
    pub const fn deny_all() -> Self {
        Self(PermissionMap::deny_all())
    }

    /// Whether RDMSR of `msr` exits.
    #[must_use]
    pub fn is_read_denied(&self, msr: u32) -> bool {
        Self::read_bit(msr).is_none_or(|bit| self.0.is_denied(bit))
    }

    /// Whether WRMSR of `msr` exits.
    #[must_use]
    pub fn is_write_denied(&self, msr: u32) -> bool {
        Self::write_bit(msr).is_none_or(|bit| self.0.is_denied(bit))
    }

    fn write_bit(msr: u32) -> Option<usize> {
        Self::read_bit(msr)?.checked_add(Self::WRITE_BITS)
    }

    fn read_bit(msr: u32) -> Option<usize> {
        Self::RANGES
            .iter()
            .zip(0_usize..)
            .find_map(|(first, range)| {
                let offset = msr
                    .checked_sub(*first)
                    .filter(|offset| *offset < Self::RANGE_MSRS)?;
                range
                    .checked_mul(Self::RANGE_BITS)?
                    .checked_add(usize::try_from(offset).ok()?)
            })
    }
}

impl MsrPermissions for MsrBitmap {
    fn allow_read(&mut self, msr: u32) -> bool {
        Self::read_bit(msr).is_some_and(|bit| self.0.allow(bit))
    }

    fn allow_write(&mut self, msr: u32) -> bool {
        Self::write_bit(msr).is_some_and(|bit| self.0.allow(bit))
    }
}

/// Which ports a guest reaches without an exit (SDM, section 25.6.4 "I/O-Bitmap Addresses"):
/// bitmap A for ports up to 0x7fff, bitmap B, one page behind it, for the others. None is ever
/// opened.
#[repr(transparent)]
#[derive(Clone)]
pub struct IoBitmaps(PermissionMap<0x2000>);

impl IoBitmaps {
    /// The distance of bitmap B from bitmap A, in bytes.
    pub const B_OFFSET: u64 = 0x1000;

    /// Every access exits.
    #[must_use]
    pub const fn deny_all() -> Self {
        Self(PermissionMap::deny_all())
    }

    /// Whether an access to `port` exits.
    #[must_use]
    pub fn is_denied(&self, port: u16) -> bool {
        self.0.is_denied(port.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_begin_at_deny_all() {
        assert_eq!(MsrBitmap::deny_all().0.allowed().count(), 0);
        let ports = IoBitmaps::deny_all();
        assert!((0..=u16::MAX).all(|port| ports.is_denied(port)));
        assert_eq!(size_of_val(&ports), 0x2000);
    }

    #[test]
    fn each_range_of_msrs_has_its_place() {
        let mut bitmap = MsrBitmap::deny_all();
        assert!(bitmap.allow_read(0x10));
        assert!(bitmap.allow_read(0xc000_0102));
        assert!(bitmap.allow_write(0x830));
        assert!(bitmap.allow_write(0xc000_1fff));
        let expected = [
            0x10,
            0x400 * 8 + 0x102,
            0x800 * 8 + 0x830,
            0xc00 * 8 + 0x1fff,
        ];
        assert!(bitmap.0.allowed().eq(expected));
    }

    #[test]
    fn an_msr_without_a_bit_stays_denied() {
        let mut bitmap = MsrBitmap::deny_all();
        for msr in [0x2000, 0x4b56_4d00, 0xbfff_ffff, 0xc000_2000, 0xc001_0114] {
            assert!(
                !bitmap.allow_read(msr) && !bitmap.allow_write(msr),
                "{msr:#x}"
            );
            assert!(
                bitmap.is_read_denied(msr) && bitmap.is_write_denied(msr),
                "{msr:#x}"
            );
        }
        assert_eq!(bitmap.0.allowed().count(), 0);
    }

    proptest! {
        #[test]
        fn allowing_one_msr_allows_no_other(
            index in 0_u32..0x2000, range in 0_usize..2, write: bool,
        ) {
            let mut bitmap = MsrBitmap::deny_all();
            let msr = MsrBitmap::RANGES[range] | index;
            let allowed = if write { bitmap.allow_write(msr) } else { bitmap.allow_read(msr) };
            prop_assert!(allowed);
            prop_assert_eq!(bitmap.is_write_denied(msr), !write);
            prop_assert_eq!(bitmap.is_read_denied(msr), write);
            prop_assert_eq!(bitmap.0.allowed().count(), 1);
        }
    }
}
