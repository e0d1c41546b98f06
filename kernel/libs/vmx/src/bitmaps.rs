//! The MSR bitmap and the I/O bitmaps: one bit denies one access. Both begin with all bits set.

use permission_map::{MsrLayout, MsrMap, PermissionMap};

/// Which MSRs a guest reads and writes without an exit (SDM, section 25.6.9 "MSR-Bitmap
/// Address"): 1 KiB each for reading low MSRs, reading high ones, writing low ones, writing
/// high ones. All other MSRs always exit.
pub type MsrBitmap = MsrMap<BitmapLayout, 0x1000>;

/// Where the MSR bitmap has its bits.
pub enum BitmapLayout {}

impl MsrLayout for BitmapLayout {
    const RANGES: &'static [u32] = &[0x0000_0000, 0xc000_0000];
    const RANGE_BITS: usize = 0x400 * 8;
    const MSR_BITS: usize = 1;
    const WRITE_BITS: usize = 0x800 * 8;
}

/// Which ports a guest reaches without an exit (SDM, section 25.6.4 "I/O-Bitmap Addresses"):
/// bitmap A for ports up to 0x7fff, bitmap B, one page behind it, for the others. None is ever
/// opened.
pub type IoBitmaps = PermissionMap<0x2000>;

/// The distance of I/O bitmap B from A, in bytes.
pub const IO_BITMAP_B_OFFSET: u64 = 0x1000;

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(bitmap.allowed().eq(expected));
    }

    #[test]
    fn an_msr_without_a_bit_stays_denied() {
        let mut bitmap = MsrBitmap::deny_all();
        for msr in [0xc000_2000, 0xc001_0114] {
            assert!(!bitmap.allow_read(msr) && !bitmap.allow_write(msr));
        }
    }

    #[test]
    fn every_port_has_a_bit() {
        assert_eq!(size_of::<IoBitmaps>() * 8, usize::from(u16::MAX) + 1);
        assert_eq!(IoBitmaps::deny_all().allowed().count(), 0);
    }
}
