//! The MSR and I/O permission maps: one bit denies one access. Both begin with all bits set.

use permission_map::{MsrLayout, MsrMap, PermissionMap};

/// Which MSRs a guest reads and writes without an exit (APM volume 2, section 15.11 "MSR
/// Intercepts"): two bits for each MSR, the low one for RDMSR, the high one for WRMSR, of
/// three ranges of 8,192 MSRs. All other MSRs always exit.
pub type MsrPermissionMap = MsrMap<PermissionLayout, 0x2000>;

/// Where the MSR permission map has its bits.
pub enum PermissionLayout {}

impl MsrLayout for PermissionLayout {
    const RANGES: &'static [u32] = &[0x0000_0000, 0xc000_0000, 0xc001_0000];
    const RANGE_BITS: usize = 0x800 * 8;
    const MSR_BITS: usize = 2;
    const WRITE_BITS: usize = 1;
}

/// Which ports a guest reaches without an exit (APM volume 2, section 15.10.1 "I/O Permissions
/// Map"): a bit for each port, then 3 bits for accesses that run over the last one; 12 KiB in
/// all, for VMRUN reads three pages. None is ever opened.
pub type IoPermissionMap = PermissionMap<0x3000>;

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(map.allowed().eq(expected));
    }

    #[test]
    fn an_msr_without_a_bit_stays_denied() {
        let mut map = MsrPermissionMap::deny_all();
        for msr in [0xc000_2000, 0xc001_2000] {
            assert!(!map.allow_read(msr) && !map.allow_write(msr));
        }
    }

    #[test]
    fn every_port_has_a_bit() {
        assert!(size_of::<IoPermissionMap>() * 8 > usize::from(u16::MAX) + 3);
        assert_eq!(IoPermissionMap::deny_all().allowed().count(), 0);
    }
}
