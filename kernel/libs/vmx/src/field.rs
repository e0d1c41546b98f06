//! VMCS fields: their encodings, with width and access in the type (SDM, section 25.11.2
//! "VMREAD, VMWRITE, and Encodings of VMCS Fields", and appendix B "Field Encoding in VMCS").

use core::marker::PhantomData;

use initial_state::Segment;

use crate::segment::{access_rights, segment};

/// The width of a field, and the integer that holds its value.
pub trait Width {
    /// Bits 14:13 of the encoding.
    const CODE: u32;
    /// What the field holds.
    type Value;
    /// The field's value out of VMREAD's operand.
    fn narrow(raw: u64) -> Self::Value;
    /// VMWRITE's operand.
    fn widen(value: Self::Value) -> u64;
}

macro_rules! widths {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $value:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy)]
            pub enum $name {}

            impl Width for $name {
                const CODE: u32 = $code;
                type Value = $value;

                fn narrow(raw: u64) -> $value {
                    raw as $value
                }

                fn widen(value: $value) -> u64 {
                    value.into()
                }
            }
        )*
    };
}

widths! {
    /// 16 bits.
    Bits16 = 0, u16;
    /// 64 bits, on every CPU.
    Bits64 = 1, u64;
    /// 32 bits.
    Bits32 = 2, u32;
    /// As wide as the CPU's addresses: 64 bits.
    Natural = 3, u64;
}

/// What may be done with a field.
pub trait Access {
    /// Whether these are the fields of VM-exit information, type 1 in bits 11:10.
    const IS_EXIT_INFORMATION: bool;
}

/// Fields that VMREAD reads and VMWRITE writes.
#[derive(Debug, Clone, Copy)]
pub enum ReadWrite {}

/// Fields that hardware alone writes.
#[derive(Debug, Clone, Copy)]
pub enum ReadOnly {}

impl Access for ReadWrite {
    const IS_EXIT_INFORMATION: bool = false;
}

impl Access for ReadOnly {
    const IS_EXIT_INFORMATION: bool = true;
}

/// One field of the VMCS.
#[derive(Debug)]
pub struct Field<W, A = ReadWrite> {
    encoding: u32,
    kind: PhantomData<(W, A)>,
}

impl<W: Width, A: Access> Field<W, A> {
    /// The field with `encoding`. An encoding that contradicts the type does not compile where
    /// this makes a constant.
    const fn new(encoding: u32) -> Self {
        assert!((encoding >> 13) & 3 == W::CODE);
        assert!(((encoding >> 10) & 3 == 1) == A::IS_EXIT_INFORMATION);
        Self {
            encoding,
            kind: PhantomData,
        }
    }

    /// The operand of VMREAD and VMWRITE, for assembly.
    #[must_use]
    pub const fn encoding(self) -> u32 {
        self.encoding
    }
}

impl<W, A> Clone for Field<W, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<W, A> Copy for Field<W, A> {}

/// A VMCS whose fields can be reached: one that is current on the core that runs.
pub trait Vmcs {
    /// VMREAD of the field with `encoding`; 0 if it fails.
    fn read_raw(&self, encoding: u32) -> u64;

    /// VMWRITE of the field with `encoding`.
    fn write_raw(&mut self, encoding: u32, value: u64);

    /// The field's value.
    fn read<W: Width, A: Access>(&self, field: Field<W, A>) -> W::Value {
        W::narrow(self.read_raw(field.encoding))
    }

    /// Sets the field.
    fn write<W: Width>(&mut self, field: Field<W, ReadWrite>, value: W::Value) {
        self.write_raw(field.encoding, W::widen(value));
    }
}

/// The four fields of a segment register in the guest-state area.
#[derive(Debug, Clone, Copy)]
pub struct SegmentFields {
    pub(crate) selector: Field<Bits16>,
    pub(crate) base: Field<Natural>,
    pub(crate) limit: Field<Bits32>,
    pub(crate) access_rights: Field<Bits32>,
}

impl SegmentFields {
    /// The fields of the register with `number` in the order ES, CS, SS, DS, FS, GS, LDTR, TR.
    const fn new(number: u32) -> Self {
        let step = number.saturating_mul(2);
        Self {
            selector: Field::new(0x0800 | step),
            base: Field::new(0x6806_u32.saturating_add(step)),
            limit: Field::new(0x4800 | step),
            access_rights: Field::new(0x4814_u32.saturating_add(step)),
        }
    }

    /// Reads the register.
    pub fn load(self, vmcs: &impl Vmcs) -> Segment {
        segment(
            vmcs.read(self.selector),
            vmcs.read(self.base),
            vmcs.read(self.limit),
            vmcs.read(self.access_rights),
        )
    }

    /// Writes the register.
    pub(crate) fn store(self, vmcs: &mut impl Vmcs, segment: &Segment) {
        vmcs.write(self.selector, segment.selector);
        vmcs.write(self.base, segment.base);
        vmcs.write(self.limit, segment.limit);
        vmcs.write(self.access_rights, access_rights(segment.attributes));
    }
}

macro_rules! fields {
    ($($width:ident, $access:ident: $($name:ident = $encoding:literal),* $(,)?;)*) => {
        $($(
            #[expect(missing_docs, reason = "named as in the manual's appendix B")]
            pub const $name: Field<$width, $access> = Field::new($encoding);
        )*)*
    };
}

macro_rules! segments {
    ($($name:ident = $number:literal),* $(,)?) => {
        $(
            #[expect(missing_docs, reason = "named as in the manual's appendix B")]
            pub const $name: SegmentFields = SegmentFields::new($number);
        )*
    };
}

segments! {
    GUEST_ES = 0, GUEST_CS = 1, GUEST_SS = 2, GUEST_DS = 3,
    GUEST_FS = 4, GUEST_GS = 5, GUEST_LDTR = 6, GUEST_TR = 7,
}

fields! {
    Bits16, ReadWrite:
        VIRTUAL_PROCESSOR_IDENTIFIER = 0x0000,
        HOST_ES_SELECTOR = 0x0c00,
        HOST_CS_SELECTOR = 0x0c02,
        HOST_SS_SELECTOR = 0x0c04,
        HOST_DS_SELECTOR = 0x0c06,
        HOST_FS_SELECTOR = 0x0c08,
        HOST_GS_SELECTOR = 0x0c0a,
        HOST_TR_SELECTOR = 0x0c0c;
    Bits64, ReadWrite:
        IO_BITMAP_A = 0x2000,
        IO_BITMAP_B = 0x2002,
        MSR_BITMAP = 0x2004,
        EPT_POINTER = 0x201a,
        XSS_EXITING_BITMAP = 0x202c,
        VMCS_LINK_POINTER = 0x2800,
        GUEST_DEBUGCTL = 0x2802,
        GUEST_PAT = 0x2804,
        GUEST_EFER = 0x2806,
        HOST_PAT = 0x2c00,
        HOST_EFER = 0x2c02;
    Bits64, ReadOnly:
        GUEST_PHYSICAL_ADDRESS = 0x2400;
    Bits32, ReadWrite:
        PIN_BASED_CONTROLS = 0x4000,
        PROCESSOR_BASED_CONTROLS = 0x4002,
        EXCEPTION_BITMAP = 0x4004,
        CR3_TARGET_COUNT = 0x400a,
        EXIT_CONTROLS = 0x400c,
        EXIT_MSR_STORE_COUNT = 0x400e,
        EXIT_MSR_LOAD_COUNT = 0x4010,
        ENTRY_CONTROLS = 0x4012,
        ENTRY_MSR_LOAD_COUNT = 0x4014,
        ENTRY_INTERRUPTION_INFORMATION = 0x4016,
        ENTRY_EXCEPTION_ERROR_CODE = 0x4018,
        SECONDARY_CONTROLS = 0x401e,
        GUEST_GDTR_LIMIT = 0x4810,
        GUEST_IDTR_LIMIT = 0x4812,
        GUEST_INTERRUPTIBILITY = 0x4824,
        GUEST_ACTIVITY = 0x4826,
        GUEST_SYSENTER_CS = 0x482a,
        HOST_SYSENTER_CS = 0x4c00;
    Bits32, ReadOnly:
        INSTRUCTION_ERROR = 0x4400,
        EXIT_REASON = 0x4402,
        EXIT_INTERRUPTION_INFORMATION = 0x4404,
        IDT_VECTORING_INFORMATION = 0x4408,
        EXIT_INSTRUCTION_LENGTH = 0x440c;
    Natural, ReadWrite:
        CR0_GUEST_HOST_MASK = 0x6000,
        CR4_GUEST_HOST_MASK = 0x6002,
        CR0_READ_SHADOW = 0x6004,
        CR4_READ_SHADOW = 0x6006,
        GUEST_CR0 = 0x6800,
        GUEST_CR3 = 0x6802,
        GUEST_CR4 = 0x6804,
        GUEST_GDTR_BASE = 0x6816,
        GUEST_IDTR_BASE = 0x6818,
        GUEST_DR7 = 0x681a,
        GUEST_RSP = 0x681c,
        GUEST_RIP = 0x681e,
        GUEST_RFLAGS = 0x6820,
        GUEST_PENDING_DEBUG = 0x6822,
        GUEST_SYSENTER_ESP = 0x6824,
        GUEST_SYSENTER_EIP = 0x6826,
        HOST_CR0 = 0x6c00,
        HOST_CR3 = 0x6c02,
        HOST_CR4 = 0x6c04,
        HOST_FS_BASE = 0x6c06,
        HOST_GS_BASE = 0x6c08,
        HOST_TR_BASE = 0x6c0a,
        HOST_GDTR_BASE = 0x6c0c,
        HOST_IDTR_BASE = 0x6c0e,
        HOST_SYSENTER_ESP = 0x6c10,
        HOST_SYSENTER_EIP = 0x6c12,
        HOST_RSP = 0x6c14,
        HOST_RIP = 0x6c16;
    Natural, ReadOnly:
        EXIT_QUALIFICATION = 0x6400;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeVmcs;

    #[test]
    fn segment_registers_have_the_manuals_encodings() {
        let encodings = |fields: SegmentFields| {
            [
                fields.selector.encoding,
                fields.base.encoding,
                fields.limit.encoding,
                fields.access_rights.encoding,
            ]
        };
        assert_eq!(encodings(GUEST_ES), [0x0800, 0x6806, 0x4800, 0x4814]);
        assert_eq!(encodings(GUEST_LDTR), [0x080c, 0x6812, 0x480c, 0x4820]);
        assert_eq!(encodings(GUEST_TR), [0x080e, 0x6814, 0x480e, 0x4822]);
    }

    #[test]
    fn a_value_has_the_fields_width() {
        let mut vmcs = FakeVmcs::default();
        vmcs.write_raw(GUEST_TR.selector.encoding, 0xffff_0018);
        assert_eq!(vmcs.read(GUEST_TR.selector), 0x18_u16);
        vmcs.write(GUEST_RIP, u64::MAX);
        assert_eq!(vmcs.read(GUEST_RIP), u64::MAX);
    }
}
