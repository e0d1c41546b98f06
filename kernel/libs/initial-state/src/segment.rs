//! Segment registers, laid out as SVM's state save area keeps them: the one of the two back
//! ends' forms that the other can be made of.

/// A segment register's attributes, as descriptor bits 55:52 and 47:40 put together (APM
/// volume 2, section 15.5.1 "VMRUN Instruction", "Segment State in the VMCB").
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentAttributes(pub u16);

impl SegmentAttributes {
    /// Code, readable and accessed: type 1011b.
    const CODE: u16 = 0xb;
    /// Data, writable and accessed: type 0011b.
    const DATA: u16 = 0x3;
    /// A local descriptor table: system type 0010b.
    const LDT: u16 = 0x2;
    /// A busy 32-bit or 64-bit task state segment: system type 1011b.
    const BUSY_TSS: u16 = 0xb;
    /// S: code or data, not a system segment.
    const USER: u16 = 1 << 4;
    /// P: present.
    const PRESENT: u16 = 1 << 7;
    /// L: 64-bit code.
    const LONG: u16 = 1 << 9;
    /// D/B: 32-bit code or stack.
    const DEFAULT_32: u16 = 1 << 10;
    /// G: the limit counts 4 KiB units.
    const GRANULARITY: u16 = 1 << 11;

    /// 64-bit code.
    pub const LONG_CODE: Self =
        Self(Self::CODE | Self::USER | Self::PRESENT | Self::LONG | Self::GRANULARITY);
    /// 32-bit code.
    pub const CODE_32: Self =
        Self(Self::CODE | Self::USER | Self::PRESENT | Self::DEFAULT_32 | Self::GRANULARITY);
    /// 32-bit data and stack.
    pub const DATA_32: Self =
        Self(Self::DATA | Self::USER | Self::PRESENT | Self::DEFAULT_32 | Self::GRANULARITY);
    /// Real-mode code.
    pub const CODE_16: Self = Self(Self::CODE | Self::USER | Self::PRESENT);
    /// Real-mode data and stack.
    pub const DATA_16: Self = Self(Self::DATA | Self::USER | Self::PRESENT);
    /// A local descriptor table.
    pub const LOCAL_DESCRIPTOR_TABLE: Self = Self(Self::LDT | Self::PRESENT);
    /// A busy 32-bit or 64-bit task state segment.
    pub const BUSY_TASK: Self = Self(Self::BUSY_TSS | Self::PRESENT);
}

/// A segment or descriptor-table register (APM volume 2, appendix B, table B-2).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment {
    /// The visible part; nothing in GDTR and IDTR.
    pub selector: u16,
    /// The descriptor's flags; nothing in GDTR and IDTR.
    pub attributes: SegmentAttributes,
    /// The last valid offset, in bytes whatever the granularity bit says.
    pub limit: u32,
    /// The linear address of offset 0.
    pub base: u64,
}

const _: () = assert!(size_of::<Segment>() == 16);

impl Segment {
    /// A segment over all of the 4 GiB, or in 64-bit mode over everything.
    #[must_use]
    pub const fn flat(selector: u16, attributes: SegmentAttributes) -> Self {
        Self {
            selector,
            attributes,
            limit: u32::MAX,
            base: 0,
        }
    }

    /// A segment of real mode: 64 KiB from 16 times `selector` on.
    #[must_use]
    pub const fn real_mode(selector: u16, attributes: SegmentAttributes) -> Self {
        Self {
            selector,
            attributes,
            limit: 0xffff,
            base: (selector as u64) << 4,
        }
    }

    /// A descriptor table: GDTR or IDTR.
    #[must_use]
    pub const fn descriptor_table(base: u64, limit: u16) -> Self {
        Self {
            selector: 0,
            attributes: SegmentAttributes(0),
            limit: limit as u32,
            base,
        }
    }

    /// Whether this is 64-bit code (it counts only while long mode is active).
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.attributes.0 & SegmentAttributes::LONG != 0
    }

    /// Whether operands and addresses are 32 bits wide without a prefix.
    #[must_use]
    pub const fn is_default_32(&self) -> bool {
        self.attributes.0 & SegmentAttributes::DEFAULT_32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_the_descriptors_bits() {
        assert_eq!(SegmentAttributes::LONG_CODE.0, 0xa9b);
        assert_eq!(SegmentAttributes::CODE_32.0, 0xc9b);
        assert_eq!(SegmentAttributes::DATA_32.0, 0xc93);
        assert_eq!(SegmentAttributes::CODE_16.0, 0x09b);
        assert_eq!(SegmentAttributes::DATA_16.0, 0x093);
        assert_eq!(SegmentAttributes::LOCAL_DESCRIPTOR_TABLE.0, 0x082);
        assert_eq!(SegmentAttributes::BUSY_TASK.0, 0x08b);
    }

    #[test]
    fn code_size_is_told_apart() {
        let long = Segment::flat(8, SegmentAttributes::LONG_CODE);
        let protected = Segment::flat(8, SegmentAttributes::CODE_32);
        let real = Segment::real_mode(0, SegmentAttributes::CODE_16);
        assert_eq!(
            [long, protected, real].map(|code| code.is_long()),
            [true, false, false]
        );
        assert_eq!(
            [long, protected, real].map(|code| code.is_default_32()),
            [false, true, false]
        );
    }
}
