//! The registers of a unit that are used (VT-d, chapter 11 "Register Descriptions").

use bitflags::bitflags;

/// CAP_REG, 64 bits: a [`Capability`].
pub const CAPABILITY: u64 = 0x08;
/// ECAP_REG, 64 bits: an [`ExtendedCapability`].
pub const EXTENDED_CAPABILITY: u64 = 0x10;
/// GCMD_REG, 32 bits, write only: a [`Global`].
pub const GLOBAL_COMMAND: u64 = 0x18;
/// GSTS_REG, 32 bits: a [`Global`].
pub const GLOBAL_STATUS: u64 = 0x1c;
/// RTADDR_REG, 64 bits: see [`crate::tables::root_table_address`].
pub const ROOT_TABLE_ADDRESS: u64 = 0x20;
/// FSTS_REG, 32 bits: a [`FaultStatus`].
pub const FAULT_STATUS: u64 = 0x34;
/// FECTL_REG, 32 bits: 0 lets fault events be sent, [`FAULT_EVENT_MASK`] does not.
pub const FAULT_EVENT_CONTROL: u64 = 0x38;
/// FEDATA_REG, 32 bits: the data of the fault event's message.
pub const FAULT_EVENT_DATA: u64 = 0x3c;
/// FEADDR_REG, 32 bits: the address of the fault event's message.
pub const FAULT_EVENT_ADDRESS: u64 = 0x40;
/// FEUADDR_REG, 32 bits: the upper half of that address, with bits 31:8 of an x2APIC ID.
pub const FAULT_EVENT_UPPER_ADDRESS: u64 = 0x44;
/// PMEN_REG, 32 bits: protected memory, which firmware may have left on; 0 switches it off.
pub const PROTECTED_MEMORY_ENABLE: u64 = 0x64;
/// IQT_REG, 64 bits: the offset of the first entry of the queue that holds no descriptor.
pub const INVALIDATION_QUEUE_TAIL: u64 = 0x88;
/// IQA_REG, 64 bits: where the queue is; with all other bits 0 it is a page of descriptors of
/// 128 bits.
pub const INVALIDATION_QUEUE_ADDRESS: u64 = 0x90;
/// IRTA_REG, 64 bits: see [`crate::remapping::table_address`].
pub const INTERRUPT_REMAPPING_TABLE_ADDRESS: u64 = 0xb8;

/// FECTL_REG.IM.
pub const FAULT_EVENT_MASK: u32 = 1 << 31;
/// PMEN_REG.PRS: protected memory is in force.
pub const PROTECTED_MEMORY_STATUS: u32 = 1 << 0;

/// The bytes of a fault recording register.
const FAULT_RECORD_BYTES: u64 = 16;

bitflags! {
    /// CAP_REG (VT-d, section 11.4.2 "Capability Register").
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Capability: u64 {
        /// RWBF: the unit buffers writes, which must be flushed before tables are believed.
        const WRITE_BUFFER_FLUSH = 1 << 4;
        /// PLMR and PHMR: there are protected memory regions.
        const PROTECTED_MEMORY = 0b11 << 5;
        /// CM, caching mode: entries that are not present are cached too.
        const CACHING_MODE = 1 << 7;
        /// SAGAW: second-stage tables of 3 levels, 39 bits.
        const TABLES_OF_3_LEVELS = 1 << 9;
        /// SAGAW: second-stage tables of 4 levels, 48 bits.
        const TABLES_OF_4_LEVELS = 1 << 10;
        /// SSLPS: second-stage tables may have leaves of 2 MiB.
        const LEAVES_OF_2_MIB = 1 << 34;
        /// SSLPS: second-stage tables may have leaves of 1 GiB.
        const LEAVES_OF_1_GIB = 1 << 35;
        // The numbers below, and what is not used.
        const _ = !0;
    }
}

impl Capability {
    /// ND: the number of domain identifiers, 16 to 65,536; 0 if the field holds what is
    /// reserved.
    #[must_use]
    pub const fn domains(self) -> u32 {
        match self.field(0, 3) {
            7 => 0,
            number => 16 << (number << 1),
        }
    }

    /// FRO and NFR: the offsets of all fault recording registers, 1 to 256.
    pub fn fault_record_offsets(self) -> impl Iterator<Item = u64> {
        let first = self.field(24, 10) << 4;
        (0..=self.field(40, 8))
            .map(move |index| first.saturating_add(index.saturating_mul(FAULT_RECORD_BYTES)))
    }

    /// `count` bits from bit `shift` on.
    const fn field(self, shift: u32, count: u32) -> u64 {
        (self.bits() >> shift) & (1_u64 << count).wrapping_sub(1)
    }
}

bitflags! {
    /// ECAP_REG (VT-d, section 11.4.3 "Extended Capability Register").
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ExtendedCapability: u64 {
        /// QI: queued invalidation.
        const QUEUED_INVALIDATION = 1 << 1;
        /// IR: interrupt remapping.
        const INTERRUPT_REMAPPING = 1 << 3;
        /// EIM, extended interrupt mode: x2APIC IDs of 32 bits.
        const EXTENDED_INTERRUPT_MODE = 1 << 4;
    }
}

bitflags! {
    /// GCMD_REG and GSTS_REG (VT-d, sections 11.4.4.1 "Global Command Register" and 11.4.4.2
    /// "Global Status Register"): each bit of the status answers the command's of the same
    /// number. One command at a time: a [`Change`], then wait for the status.
    #[repr(transparent)]
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Global: u32 {
        /// CFI: compatibility-format interrupts pass. Never set here.
        const COMPATIBILITY_FORMAT = 1 << 23;
        /// SIRTP: take the interrupt-remapping table's address. IRTPS: it has been taken.
        const INTERRUPT_REMAPPING_TABLE = 1 << 24;
        /// IRE: interrupt remapping.
        const INTERRUPT_REMAPPING = 1 << 25;
        /// QIE: queued invalidation.
        const QUEUED_INVALIDATION = 1 << 26;
        /// WBF: flush the write buffer. WBFS: it is still being flushed.
        const WRITE_BUFFER_FLUSH = 1 << 27;
        /// EAFL: advanced fault logging.
        const ADVANCED_FAULT_LOG = 1 << 28;
        /// SRTP: take the root table's address. RTPS: it has been taken.
        const ROOT_TABLE = 1 << 30;
        /// TE: DMA remapping.
        const TRANSLATION = 1 << 31;
    }
}

impl Global {
    /// What firmware may have left on and must be off before anything else is changed: the first
    /// lets interrupts pass by the remapping table, the second is a queue of firmware's.
    pub const LEFTOVERS: [Self; 2] = [Self::COMPATIBILITY_FORMAT, Self::QUEUED_INVALIDATION];

    /// The command that leaves everything as this status says it is: the bits that say what is
    /// on, not what to do once.
    const fn lasting(self) -> Self {
        self.intersection(
            Self::COMPATIBILITY_FORMAT
                .union(Self::INTERRUPT_REMAPPING)
                .union(Self::QUEUED_INVALIDATION)
                .union(Self::ADVANCED_FAULT_LOG)
                .union(Self::TRANSLATION),
        )
    }
}

/// A change of one bit, by one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// On, or done once, as a table's address is taken; the status then has the bit.
    On(Global),
    /// Off; the status has the bit no more.
    Off(Global),
    /// [`Global::WRITE_BUFFER_FLUSH`], whose bit the status has for as long as it takes.
    Flush,
}

impl Change {
    /// The command for a unit whose status is `status`.
    #[must_use]
    pub const fn command(self, status: Global) -> Global {
        match self {
            Self::On(bit) => status.lasting().union(bit),
            Self::Off(bit) => status.lasting().difference(bit),
            Self::Flush => status.lasting().union(Global::WRITE_BUFFER_FLUSH),
        }
    }

    /// Whether a unit whose status is `status` has carried it out.
    #[must_use]
    pub const fn is_done(self, status: Global) -> bool {
        match self {
            Self::On(bit) => status.contains(bit),
            Self::Off(bit) => !status.intersects(bit),
            Self::Flush => !status.intersects(Global::WRITE_BUFFER_FLUSH),
        }
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// CAP_REG as QEMU 10.0 composes it for 48 bits: 16 bits of domain identifiers, 4 KiB to
    /// 1 GiB, one fault record at 220h, page-selective invalidation with masks up to 18.
    const QEMU_CAPABILITY: u64 =
        6 | 0b110 << 8 | 47 << 16 | 0x22 << 24 | 0b11 << 34 | 1 << 39 | 18 << 48;

    #[test]
    fn capabilities_of_qemus_unit() {
        let capability = Capability::from_bits_retain(QEMU_CAPABILITY);
        assert_eq!(capability.domains(), 1 << 16);
        assert!(capability.contains(
            Capability::TABLES_OF_3_LEVELS
                | Capability::TABLES_OF_4_LEVELS
                | Capability::LEAVES_OF_2_MIB
                | Capability::LEAVES_OF_1_GIB
        ));
        assert!(!capability.intersects(
            Capability::WRITE_BUFFER_FLUSH
                | Capability::CACHING_MODE
                | Capability::PROTECTED_MEMORY
        ));
        assert!(capability.fault_record_offsets().eq([0x220]));
    }

    #[test]
    fn the_reserved_number_of_domains_is_none() {
        assert_eq!(Capability::from_bits_retain(7).domains(), 0);
        assert_eq!(Capability::from_bits_retain(0).domains(), 16);
    }

    #[test]
    fn each_fault_record_has_its_offset() {
        let capability = Capability::from_bits_retain(0x40 << 24 | 2 << 40);
        assert!(capability.fault_record_offsets().eq([0x400, 0x410, 0x420]));
    }

    #[test]
    fn a_lasting_command_repeats_no_single_action() {
        let status = Global::from_bits_truncate(u32::MAX);
        assert_eq!(status.lasting().bits(), status.bits() & 0x96ff_ffff);
        assert!(!status.lasting().intersects(
            Global::ROOT_TABLE | Global::INTERRUPT_REMAPPING_TABLE | Global::WRITE_BUFFER_FLUSH
        ));
    }

    #[test]
    fn a_unit_that_was_left_on_is_told_one_thing_at_a_time() {
        let left = Global::TRANSLATION | Global::QUEUED_INVALIDATION | Global::COMPATIBILITY_FORMAT;
        let take_over = Global::LEFTOVERS.map(Change::Off);
        let ours = [
            Change::Flush,
            Change::On(Global::ROOT_TABLE),
            Change::On(Global::QUEUED_INVALIDATION),
        ];
        let mut status = left;
        for change in take_over.into_iter().chain(ours) {
            assert!(
                change == Change::Flush || !change.is_done(status),
                "{change:?}"
            );
            let command = change.command(status);
            let changed = command.symmetric_difference(status.lasting());
            assert_eq!(changed.bits().count_ones(), 1, "{change:?}: {changed:?}");
            status = (status | command) - (status.lasting() - command);
            assert_eq!(change.is_done(status), change != Change::Flush);
            // The buffer has been flushed.
            status -= Global::WRITE_BUFFER_FLUSH;
            assert!(change.is_done(status));
        }
        assert_eq!(
            status,
            Global::TRANSLATION | Global::QUEUED_INVALIDATION | Global::ROOT_TABLE
        );
    }

    #[test]
    fn a_pending_fault_is_no_invalidation_error() {
        let status = FaultStatus::from_bits_retain(0x0302);
        assert!(status.contains(FaultStatus::PENDING));
        assert!(!status.intersects(FaultStatus::INVALIDATION_ERRORS));
    }

    proptest! {
        #[test]
        fn a_command_changes_no_other_bit(status: u32, number in 23_u32..32) {
            let status = Global::from_bits_truncate(status);
            let bit = Global::from_bits_truncate(1 << number);
            for change in [Change::On(bit), Change::Off(bit), Change::Flush] {
                let command = change.command(status);
                let allowed = if change == Change::Flush { Global::WRITE_BUFFER_FLUSH } else { bit };
                prop_assert!(allowed.contains(command.symmetric_difference(status.lasting())));
            }
        }

        #[test]
        fn any_capability_is_bounded(value: u64) {
            let capability = Capability::from_bits_retain(value);
            prop_assert!(capability.fault_record_offsets().count() <= 256);
            prop_assert!(capability.fault_record_offsets().all(|offset| offset < 0x5000));
            prop_assert!(capability.domains() <= 1 << 16);
        }
    }
}
