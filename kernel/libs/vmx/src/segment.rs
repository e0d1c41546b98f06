//! Segment registers as the guest-state area keeps them (SDM, section 25.4.1 "Guest Register
//! State", table 25-2 "Format of Access Rights").

use initial_state::{Segment, SegmentAttributes};

/// The register is not usable: a null selector was loaded.
const UNUSABLE: u32 = 1 << 16;
/// Type, S, DPL and P are in the same place in both forms.
const LOW: u32 = 0xff;
/// AVL, L, D/B and G: bits 11:8 of [`SegmentAttributes`], bits 15:12 here.
const HIGH: u32 = 0xf00;
const HIGH_SHIFT: u32 = 4;
const PRESENT: u32 = 1 << 7;

/// The access rights of a segment; one that is not present is not usable.
pub const fn access_rights(attributes: SegmentAttributes) -> u32 {
    let bits = attributes.0 as u32;
    let rights = (bits & LOW) | ((bits & HIGH) << HIGH_SHIFT);
    if bits & PRESENT == 0 {
        rights | UNUSABLE
    } else {
        rights
    }
}

/// A segment from the four fields of the guest-state area. One that is not usable is not
/// present.
pub const fn segment(selector: u16, base: u64, limit: u32, access_rights: u32) -> Segment {
    let bits = (access_rights & LOW) | ((access_rights >> HIGH_SHIFT) & HIGH);
    let bits = if access_rights & UNUSABLE == 0 {
        bits
    } else {
        bits & !PRESENT
    };
    Segment {
        selector,
        attributes: SegmentAttributes(bits as u16),
        limit,
        base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_rights_are_the_descriptors_bits_four_further() {
        assert_eq!(access_rights(SegmentAttributes::LONG_CODE), 0xa09b);
        assert_eq!(access_rights(SegmentAttributes::CODE_32), 0xc09b);
        assert_eq!(access_rights(SegmentAttributes::DATA_16), 0x93);
        assert_eq!(access_rights(SegmentAttributes::BUSY_TASK), 0x8b);
        assert_eq!(access_rights(SegmentAttributes(0)), UNUSABLE);
    }

    #[test]
    fn a_segment_reads_back_as_written() {
        let code = Segment::flat(0x10, SegmentAttributes::LONG_CODE);
        let rights = access_rights(code.attributes);
        assert_eq!(segment(0x10, code.base, code.limit, rights), code);
        assert_eq!(segment(0, 0, 0, UNUSABLE | 0x93).attributes.0, 0x13);
    }
}
