//! The registers of a unit (VT-d, chapter 11 "Register Descriptions").

use bitflags::bitflags;

/// VER_REG, 32 bits.
pub const VERSION: u64 = 0x00;
/// CAP_REG, 64 bits: a [`Capability`].
pub const CAPABILITY: u64 = 0x08;
/// ECAP_REG, 64 bits: an [`ExtendedCapability`].
pub const EXTENDED_CAPABILITY: u64 = 0x10;
/// GCMD_REG, 32 bits, write only: a [`GlobalCommand`].
pub const GLOBAL_COMMAND: u64 = 0x18;
/// GSTS_REG, 32 bits: a [`GlobalStatus`].
pub const GLOBAL_STATUS: u64 = 0x1c;
/// RTADDR_REG, 64 bits: see [`crate::tables::root_table_address`].
pub const ROOT_TABLE_ADDRESS: u64 = 0x20;
/// CCMD_REG, 64 bits. Queued invalidation takes its place.
pub const CONTEXT_COMMAND: u64 = 0x28;
/// FSTS_REG, 32 bits: a [`FaultStatus`].
pub const FAULT_STATUS: u64 = 0x34;
/// FECTL_REG, 32 bits: [`FAULT_EVENT_MASK`].
pub const FAULT_EVENT_CONTROL: u64 = 0x38;
/// FEDATA_REG, 32 bits: the data of the fault event's message.
pub const FAULT_EVENT_DATA: u64 = 0x3c;
/// FEADDR_REG, 32 bits: the address of the fault event's message.
pub const FAULT_EVENT_ADDRESS: u64 = 0x40;
/// FEUADDR_REG, 32 bits: the upper half of that address, with bits 31:8 of an x2APIC ID.
pub const FAULT_EVENT_UPPER_ADDRESS: u64 = 0x44;
/// PMEN_REG, 32 bits: protected memory, which firmware may have left on.
pub const PROTECTED_MEMORY_ENABLE: u64 = 0x64;
/// IQH_REG, 64 bits: see [`crate::Queue::head_index`].
pub const INVALIDATION_QUEUE_HEAD: u64 = 0x80;
/// IQT_REG, 64 bits: see [`crate::Queue::tail_register`].
pub const INVALIDATION_QUEUE_TAIL: u64 = 0x88;
/// IQA_REG, 64 bits: see [`crate::Queue::address_register`].
pub const INVALIDATION_QUEUE_ADDRESS: u64 = 0x90;
/// ICS_REG, 32 bits.
pub const INVALIDATION_COMPLETION_STATUS: u64 = 0x9c;
/// IRTA_REG, 64 bits: see [`crate::RemappingTable::address_register`].
pub const INTERRUPT_REMAPPING_TABLE_ADDRESS: u64 = 0xb8;

/// FECTL_REG.IM: no fault event is sent.
pub const FAULT_EVENT_MASK: u32 = 1 << 31;
/// PMEN_REG.EPM: protected memory is on.
pub const PROTECTED_MEMORY_ON: u32 = 1 << 31;
/// PMEN_REG.PRS: protected memory is in force; it follows EPM.
pub const PROTECTED_MEMORY_STATUS: u32 = 1 << 0;

/// The bytes of a fault recording register.
const FAULT_RECORD_BYTES: u64 = 16;

/// `count` bits of `value` from bit `shift` on.
const fn field(value: u64, shift: u32, count: u32) -> u64 {
    (value >> shift) & (1_u64 << count).wrapping_sub(1)
}

/// Whether bit `bit` of `value` is set.
const fn is_set(value: u64, bit: u32) -> bool {
    field(value, bit, 1) != 0
}

/// CAP_REG (VT-d, section 11.4.2 "Capability Register").
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability(pub u64);

impl Capability {
    /// ND: the number of domain identifiers, 16 to 65,536; 0 if the field holds what is
    /// reserved.
    #[must_use]
    pub const fn domains(self) -> u32 {
        match field(self.0, 0, 3) {
            7 => 0,
            number => 16 << (number << 1),
        }
    }

    /// RWBF: the unit buffers writes, which must be flushed before tables are believed.
    #[must_use]
    pub const fn requires_write_buffer_flush(self) -> bool {
        is_set(self.0, 4)
    }

    /// PLMR: there is a protected low-memory region.
    #[must_use]
    pub const fn has_protected_low_memory(self) -> bool {
        is_set(self.0, 5)
    }

    /// PHMR: there is a protected high-memory region.
    #[must_use]
    pub const fn has_protected_high_memory(self) -> bool {
        is_set(self.0, 6)
    }

    /// CM, caching mode: entries that are not present are cached too.
    #[must_use]
    pub const fn caching_mode(self) -> bool {
        is_set(self.0, 7)
    }

    /// SAGAW: second-stage tables of 3 levels, 39 bits.
    #[must_use]
    pub const fn supports_39_bits(self) -> bool {
        is_set(self.0, 9)
    }

    /// SAGAW: second-stage tables of 4 levels, 48 bits.
    #[must_use]
    pub const fn supports_48_bits(self) -> bool {
        is_set(self.0, 10)
    }

    /// MGAW: the width of the largest address that a request may have.
    #[must_use]
    pub const fn maximum_address_bits(self) -> u64 {
        field(self.0, 16, 6).wrapping_add(1)
    }

    /// FRO: the offset of the first fault recording register.
    #[must_use]
    pub const fn fault_record_offset(self) -> u64 {
        field(self.0, 24, 10) << 4
    }

    /// NFR: the number of fault recording registers, 1 to 256.
    #[must_use]
    pub const fn fault_records(self) -> u64 {
        field(self.0, 40, 8).wrapping_add(1)
    }

    /// The offsets of all fault recording registers.
    pub fn fault_record_offsets(self) -> impl Iterator<Item = u64> {
        let first = self.fault_record_offset();
        (0..self.fault_records())
            .map(move |index| first.saturating_add(index.saturating_mul(FAULT_RECORD_BYTES)))
    }

    /// SSLPS: second-stage tables may have leaves of 2 MiB.
    #[must_use]
    pub const fn supports_2_mib_pages(self) -> bool {
        is_set(self.0, 34)
    }

    /// SSLPS: second-stage tables may have leaves of 1 GiB.
    #[must_use]
    pub const fn supports_1_gib_pages(self) -> bool {
        is_set(self.0, 35)
    }

    /// PSI: the IOTLB can be invalidated page by page.
    #[must_use]
    pub const fn supports_page_selective_invalidation(self) -> bool {
        is_set(self.0, 39)
    }

    /// MAMV: the largest address mask of such an invalidation.
    #[must_use]
    pub const fn maximum_address_mask(self) -> u64 {
        field(self.0, 48, 6)
    }
}

/// ECAP_REG (VT-d, section 11.4.3 "Extended Capability Register").
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapability(pub u64);

impl ExtendedCapability {
    /// C: the unit's reads of its tables snoop the processors' caches; without, every write
    /// to a table must be flushed out of them.
    #[must_use]
    pub const fn is_coherent(self) -> bool {
        is_set(self.0, 0)
    }

    /// QI: queued invalidation.
    #[must_use]
    pub const fn supports_queued_invalidation(self) -> bool {
        is_set(self.0, 1)
    }

    /// IR: interrupt remapping.
    #[must_use]
    pub const fn supports_interrupt_remapping(self) -> bool {
        is_set(self.0, 3)
    }

    /// EIM, extended interrupt mode: x2APIC IDs of 32 bits.
    #[must_use]
    pub const fn supports_extended_interrupt_mode(self) -> bool {
        is_set(self.0, 4)
    }

    /// PT: pass-through.
    #[must_use]
    pub const fn supports_pass_through(self) -> bool {
        is_set(self.0, 6)
    }

    /// IRO: the offset of IVA_REG; IOTLB_REG is 8 bytes further on.
    #[must_use]
    pub const fn iotlb_offset(self) -> u64 {
        field(self.0, 8, 10) << 4
    }
}

bitflags! {
    /// GCMD_REG (VT-d, section 11.4.4.1 "Global Command Register"). One command at a time: start
    /// from [`GlobalCommand::unchanged`], change one bit, write, wait for [`GlobalStatus`].
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GlobalCommand: u32 {
        /// CFI: let compatibility-format interrupts through. Never set here.
        const COMPATIBILITY_FORMAT = 1 << 23;
        /// SIRTP: take the interrupt-remapping table's address.
        const SET_INTERRUPT_REMAPPING_TABLE = 1 << 24;
        /// IRE: interrupt remapping.
        const INTERRUPT_REMAPPING = 1 << 25;
        /// QIE: queued invalidation.
        const QUEUED_INVALIDATION = 1 << 26;
        /// WBF: flush the write buffer.
        const WRITE_BUFFER_FLUSH = 1 << 27;
        /// EAFL: advanced fault logging.
        const ADVANCED_FAULT_LOG = 1 << 28;
        /// SFL: take the fault log's address.
        const SET_FAULT_LOG = 1 << 29;
        /// SRTP: take the root table's address.
        const SET_ROOT_TABLE = 1 << 30;
        /// TE: DMA remapping.
        const TRANSLATION = 1 << 31;
    }
}

bitflags! {
    /// GSTS_REG (VT-d, section 11.4.4.2 "Global Status Register"): each bit answers the bit of
    /// the same number of [`GlobalCommand`].
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct GlobalStatus: u32 {
        /// CFIS.
        const COMPATIBILITY_FORMAT = 1 << 23;
        /// IRTPS: the interrupt-remapping table's address has been taken.
        const INTERRUPT_REMAPPING_TABLE_SET = 1 << 24;
        /// IRES.
        const INTERRUPT_REMAPPING = 1 << 25;
        /// QIES.
        const QUEUED_INVALIDATION = 1 << 26;
        /// WBFS: the write buffer is still being flushed.
        const WRITE_BUFFER_FLUSHING = 1 << 27;
        /// AFLS.
        const ADVANCED_FAULT_LOG = 1 << 28;
        /// FLS.
        const FAULT_LOG_SET = 1 << 29;
        /// RTPS: the root table's address has been taken.
        const ROOT_TABLE_SET = 1 << 30;
        /// TES.
        const TRANSLATION = 1 << 31;
    }
}

impl GlobalCommand {
    /// The bits that say what is on, not what to do once.
    const LASTING: Self = Self::COMPATIBILITY_FORMAT
        .union(Self::INTERRUPT_REMAPPING)
        .union(Self::QUEUED_INVALIDATION)
        .union(Self::ADVANCED_FAULT_LOG)
        .union(Self::TRANSLATION);

    /// The command that leaves everything as `status` says it is.
    #[must_use]
    pub const fn unchanged(status: GlobalStatus) -> Self {
        Self::from_bits_truncate(status.bits()).intersection(Self::LASTING)
    }
}

bitflags! {
    /// FSTS_REG (VT-d, section 11.4.7.1 "Fault Status Register"). All but PPF are cleared by
    /// writing 1; PPF follows the fault records.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct FaultStatus: u32 {
        /// PFO: a fault was lost, for all records were in use.
        const OVERFLOW = 1 << 0;
        /// PPF: a record holds a fault.
        const PENDING = 1 << 1;
        /// IQE: the invalidation queue holds an invalid descriptor; it stands still.
        const INVALIDATION_QUEUE_ERROR = 1 << 4;
        /// ICE: a device answered an invalidation wrongly.
        const INVALIDATION_COMPLETION_ERROR = 1 << 5;
        /// ITE: a device did not answer an invalidation in time.
        const INVALIDATION_TIME_OUT = 1 << 6;
        // FRI, reserved bits.
        const _ = !0;
    }
}

impl FaultStatus {
    /// The errors after which queued invalidation stands still.
    pub const INVALIDATION_ERRORS: Self = Self::INVALIDATION_QUEUE_ERROR
        .union(Self::INVALIDATION_COMPLETION_ERROR)
        .union(Self::INVALIDATION_TIME_OUT);

    /// FRI: which record was written first, while a fault is pending.
    #[must_use]
    pub const fn first_record(self) -> u8 {
        self.bits().to_le_bytes()[1]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// CAP_REG as QEMU 10.0 composes it for 48 bits: 16 bits of domain identifiers, 4 KiB to
    /// 1 GiB, one fault record at 220h, page-selective invalidation with masks up to 18.
    const QEMU_CAPABILITY: Capability =
        Capability(6 | 0b110 << 8 | 47 << 16 | 0x22 << 24 | 0b11 << 34 | 1 << 39 | 18 << 48);
    /// ECAP_REG of the same: queued invalidation, interrupt remapping, extended interrupt
    /// mode, IOTLB registers at F0h.
    const QEMU_EXTENDED: ExtendedCapability =
        ExtendedCapability(1 << 1 | 1 << 3 | 1 << 4 | 0xf << 8);

    #[test]
    fn capabilities_of_qemus_unit() {
        let capability = QEMU_CAPABILITY;
        assert_eq!(capability.domains(), 1 << 16);
        assert!(capability.supports_39_bits() && capability.supports_48_bits());
        assert!(capability.supports_2_mib_pages() && capability.supports_1_gib_pages());
        assert!(capability.supports_page_selective_invalidation());
        assert!(!capability.requires_write_buffer_flush() && !capability.caching_mode());
        assert_eq!(capability.maximum_address_bits(), 48);
        assert_eq!(capability.maximum_address_mask(), 18);
        assert!(capability.fault_record_offsets().eq([0x220]));
    }

    #[test]
    fn extended_capabilities_of_qemus_unit() {
        let extended = QEMU_EXTENDED;
        assert!(!extended.is_coherent() && !extended.supports_pass_through());
        assert!(extended.supports_queued_invalidation());
        assert!(extended.supports_interrupt_remapping());
        assert!(extended.supports_extended_interrupt_mode());
        assert_eq!(extended.iotlb_offset(), 0xf0);
    }

    #[test]
    fn the_reserved_number_of_domains_is_none() {
        assert_eq!(Capability(7).domains(), 0);
        assert_eq!(Capability(0).domains(), 16);
    }

    #[test]
    fn each_fault_record_has_its_offset() {
        let capability = Capability(0x40 << 24 | 2 << 40);
        assert!(capability.fault_record_offsets().eq([0x400, 0x410, 0x420]));
    }

    #[test]
    fn an_unchanged_command_repeats_no_single_action() {
        let status = GlobalStatus::all();
        let command = GlobalCommand::unchanged(status);
        assert_eq!(command.bits(), status.bits() & 0x96ff_ffff);
        assert!(!command.intersects(
            GlobalCommand::SET_ROOT_TABLE
                | GlobalCommand::SET_INTERRUPT_REMAPPING_TABLE
                | GlobalCommand::WRITE_BUFFER_FLUSH
        ));
    }

    #[test]
    fn fault_status_names_the_first_record() {
        let status = FaultStatus::from_bits_retain(0x0302);
        assert!(status.contains(FaultStatus::PENDING));
        assert_eq!(status.first_record(), 3);
        assert!(!status.intersects(FaultStatus::INVALIDATION_ERRORS));
    }

    proptest! {
        #[test]
        fn any_capability_is_bounded(value: u64) {
            let capability = Capability(value);
            prop_assert!(capability.fault_record_offsets().count() <= 256);
            prop_assert!(capability.fault_record_offsets().all(|offset| offset < 0x5000));
            prop_assert!(capability.domains() <= 1 << 16);
            prop_assert!(ExtendedCapability(value).iotlb_offset() < 0x4000);
        }
    }
}
