//! The MSR and I/O permission maps: one bit denies one access. Both begin with all bits set.

use permission_map::{MsrPermissions, PermissionMap};

/// Which MSRs a guest reads and writes without an exit (APM volume 2, section 15.11 "MSR
/// Intercepts"): two bits for each MSR, the low one for RDMSR, the high one for WRMSR, of
/// three ranges of 8,192 MSRs. All other MSRs always exit.
#[repr(transparent)]
#[derive(Clone)]
pub struct MsrPermissionMap(PermissionMap<0x2000>);

impl MsrPermissionMap {
    /// The first MSR of each range, in the order of the map.
    const RANGES: [u32; 3] = [0x0000_0000, 0xc000_0000, 0xc001_0000];
    /// The MSRs in a range.
    const RANGE_MSRS: u32 = 0x2000;
    /// The bits that each range takes: 2 KiB.
    const RANGE_BITS: usize = 0x800 * 8;

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
        Self::read_bit(msr)?.checked_add(1)
    }

    fn read_bit(msr: u32) -> Option<usize> {
        Self::RANGES
            .iter()
            .zip(0_usize..)
            .find_map(|(first, range)| {
                let offset = msr
                    .checked_sub(*first)
                    .filter(|offset| *offset < Self::RANGE_MSRS)?;
                let in_range = usize::try_from(offset).ok()?.checked_mul(2)?;
                range.checked_mul(Self::RANGE_BITS)?.checked_add(in_range)
            })
    }
}

impl MsrPermissions for MsrPermissionMap {
    fn allow_read(&mut self, msr: u32) -> bool {
        Self::read_bit(msr).is_some_and(|bit| self.0.allow(bit))
    }

    fn allow_write(&mut self, msr: u32) -> bool {
        Self::write_bit(msr).is_some_and(|bit| self.0.allow(bit))
    }
}

/// Which ports a guest reaches without an exit (APM volume 2, section 15.10.1 "I/O Permissions
/// Map"): a bit for each port, then 3 bits for accesses that run over the last one; 12 KiB in
/// all, for VMRUN reads three pages. None is ever opened.
#[repr(transparent)]
#[derive(Clone)]
pub struct IoPermissionMap(PermissionMap<0x3000>);

impl IoPermissionMap {
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
    fn both_maps_begin_at_deny_all() {
        assert_eq!(MsrPermissionMap::deny_all().0.allowed().count(), 0);
        let ports = IoPermissionMap::deny_all();
        assert!((0..=u16::MAX).all(|port| ports.is_denied(port)));
        assert_eq!(size_of_val(&ports), 0x3000);
    }

    #[test]
    fn each_range_of_msrs_has_its_place() {
        let mut map = MsrPermissionMap::deny_all();
        assert!(map.allow_read(0x10));
        assert!(map.allow_write(0x830));
        assert!(map.allow_read(0xc000_0102));
        assert!(map.allow_write(0xc001_1fff));
        let expected = [
            0x10 * 2,
            0x830 * 2 + 1,
            0x800 * 8 + 0x102 * 2,
            0x1000 * 8 + 0x1fff * 2 + 1,
        ];
        assert!(map.0.allowed().eq(expected));
    }

    #[test]
    fn reading_and_writing_are_allowed_apart() {
        let mut map = MsrPermissionMap::deny_all();
        map.allow_read(0x808);
        assert!(!map.is_read_denied(0x808) && map.is_write_denied(0x808));
    }

    #[test]
    fn an_msr_without_a_bit_stays_denied() {
        let mut map = MsrPermissionMap::deny_all();
        for msr in [
            0x2000,
            0x4b56_4d00,
            0xbfff_ffff,
            0xc000_2000,
            0xc001_2000,
            u32::MAX,
        ] {
            assert!(!map.allow_read(msr) && !map.allow_write(msr), "{msr:#x}");
            assert!(
                map.is_read_denied(msr) && map.is_write_denied(msr),
                "{msr:#x}"
            );
        }
        assert_eq!(map.0.allowed().count(), 0);
    }

    proptest! {
        #[test]
        fn allowing_one_msr_allows_no_other(
            index in 0_u32..0x2000, range in 0_usize..3, write: bool,
        ) {
            let mut map = MsrPermissionMap::deny_all();
            let msr = MsrPermissionMap::RANGES[range] | index;
            let allowed = if write { map.allow_write(msr) } else { map.allow_read(msr) };
            prop_assert!(allowed);
            prop_assert_eq!(map.is_write_denied(msr), !write);
            prop_assert_eq!(map.is_read_denied(msr), write);
            prop_assert_eq!(map.0.allowed().count(), 1);
        }
    }
}
