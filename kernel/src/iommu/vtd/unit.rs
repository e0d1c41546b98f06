//! One remapping unit's registers (VT-d, chapter 11 "Register Descriptions").

use addr::{HostPhysical, PageSize, Range};
use page_table::MapError;
use spin::Mutex;
use vtd::registers::{
    CAPABILITY, EXTENDED_CAPABILITY, FAULT_EVENT_ADDRESS, FAULT_EVENT_CONTROL, FAULT_EVENT_DATA,
    FAULT_EVENT_UPPER_ADDRESS, FAULT_STATUS, GLOBAL_COMMAND, GLOBAL_STATUS,
    INTERRUPT_REMAPPING_TABLE_ADDRESS, PROTECTED_MEMORY_ENABLE, PROTECTED_MEMORY_STATUS,
    ROOT_TABLE_ADDRESS,
};
use vtd::{
    Capability, Descriptor, ExtendedCapability, FaultRecord, FaultStatus, GlobalCommand,
    GlobalStatus, RemappingTable, tables,
};

use super::super::IommuError;
use super::queue::InvalidationQueue;
use crate::cpu::{local_apic, time};
use crate::host::paging;
use crate::host::physical::Registers;

/// A unit's registers are one page at least; no register used here lies outside.
const REGISTER_BYTES: u64 = 4096;
const FAULT_RECORD_BYTES: u64 = 16;
/// No command takes this long on a unit that works.
const COMMAND_MILLISECONDS: u64 = 100;

/// One unit.
pub struct Unit {
    registers: Registers,
    capability: Capability,
    queue: Mutex<InvalidationQueue>,
}

impl Unit {
    /// Maps the unit whose registers are at `base` and checks what it can do.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn take(base: HostPhysical) -> Result<Self, IommuError> {
        let range =
            Range::new(base, REGISTER_BYTES).ok_or(IommuError::Map(MapError::Misaligned))?;
        paging::map_device(range).map_err(IommuError::Map)?;
        // SAFETY: the firmware says that a remapping unit is there, and it is mapped, uncached.
        // All that it is made to write is the status word of its own invalidation queue.
        let registers = unsafe { Registers::new(range) };
        let capability = Capability(registers.read_u64(CAPABILITY));
        let extended = ExtendedCapability(registers.read_u64(EXTENDED_CAPABILITY));
        let required = [
            (
                extended.supports_queued_invalidation(),
                "queued invalidation (ECAP.QI)",
            ),
            (
                extended.supports_interrupt_remapping(),
                "interrupt remapping (ECAP.IR)",
            ),
            (
                extended.supports_extended_interrupt_mode(),
                "extended interrupt mode (ECAP.EIM)",
            ),
        ];
        let records_end = capability
            .fault_records()
            .saturating_mul(FAULT_RECORD_BYTES)
            .saturating_add(capability.fault_record_offset());
        if records_end > REGISTER_BYTES {
            return Err(IommuError::Missing(
                "fault records in its first register page",
            ));
        }
        if let Some((_, missing)) = required.into_iter().find(|(present, _)| !present) {
            return Err(IommuError::Missing(missing));
        }
        let queue = Mutex::new(InvalidationQueue::new()?);
        Ok(Self {
            registers,
            capability,
            queue,
        })
    }

    /// Blocks all DMA by the empty root table at `root`, and all interrupts but those of
    /// `remapping`.
    ///
    /// # Errors
    /// The unit does not answer.
    pub fn block(&self, root: HostPhysical, remapping: RemappingTable) -> Result<(), IommuError> {
        self.flush_write_buffer()?;
        self.registers
            .write_u64(ROOT_TABLE_ADDRESS, tables::root_table_address(root));
        self.command_once(GlobalCommand::SET_ROOT_TABLE, GlobalStatus::ROOT_TABLE_SET)?;
        self.start_queue()?;
        self.invalidate(&[
            Descriptor::context_cache_global(),
            Descriptor::iotlb_global(),
        ])?;
        self.switch_on(GlobalCommand::TRANSLATION, GlobalStatus::TRANSLATION)?;
        let table = remapping.address_register();
        self.registers
            .write_u64(INTERRUPT_REMAPPING_TABLE_ADDRESS, table);
        self.command_once(
            GlobalCommand::SET_INTERRUPT_REMAPPING_TABLE,
            GlobalStatus::INTERRUPT_REMAPPING_TABLE_SET,
        )?;
        self.invalidate(&[Descriptor::interrupt_entry_cache_global()])?;
        self.switch_on(
            GlobalCommand::INTERRUPT_REMAPPING,
            GlobalStatus::INTERRUPT_REMAPPING,
        )?;
        self.open_protected_memory()?;
        self.report_faults();
        Ok(())
    }

    fn status(&self) -> GlobalStatus {
        GlobalStatus::from_bits_truncate(self.registers.read_u32(GLOBAL_STATUS))
    }

    fn command_once(&self, once: GlobalCommand, done: GlobalStatus) -> Result<(), IommuError> {
        let command = GlobalCommand::unchanged(self.status()).union(once);
        self.registers.write_u32(GLOBAL_COMMAND, command.bits());
        self.wait("a command was not carried out", || {
            self.status().contains(done)
        })
    }

    fn switch_on(&self, bit: GlobalCommand, done: GlobalStatus) -> Result<(), IommuError> {
        // Compatibility-format interrupts stay blocked whatever firmware had chosen.
        let kept = GlobalCommand::unchanged(self.status());
        let command = kept
            .difference(GlobalCommand::COMPATIBILITY_FORMAT)
            .union(bit);
        self.registers.write_u32(GLOBAL_COMMAND, command.bits());
        self.wait("a function was not switched on", || {
            self.status().contains(done)
        })
    }

    /// Starts the invalidation queue, after stopping one that firmware may have left on.
    fn start_queue(&self) -> Result<(), IommuError> {
        let on = GlobalStatus::QUEUED_INVALIDATION;
        if self.status().contains(on) {
            let command = GlobalCommand::unchanged(self.status());
            let command = command.difference(GlobalCommand::QUEUED_INVALIDATION);
            self.registers.write_u32(GLOBAL_COMMAND, command.bits());
            self.wait("the invalidation queue did not stop", || {
                !self.status().contains(on)
            })?;
        }
        self.queue.lock().install(self.registers);
        self.switch_on(GlobalCommand::QUEUED_INVALIDATION, on)
    }

    /// Units that must be asked to see what the CPU has written (CAP.RWBF).
    fn flush_write_buffer(&self) -> Result<(), IommuError> {
        if !self.capability.requires_write_buffer_flush() {
            return Ok(());
        }
        let command =
            GlobalCommand::unchanged(self.status()).union(GlobalCommand::WRITE_BUFFER_FLUSH);
        self.registers.write_u32(GLOBAL_COMMAND, command.bits());
        let flushing = GlobalStatus::WRITE_BUFFER_FLUSHING;
        self.wait("the write buffer was not flushed", || {
            !self.status().contains(flushing)
        })
    }

    /// Switches off the protected memory regions that firmware may have set up for its own
    /// time: translation does more, and they would keep partitions' devices from memory.
    fn open_protected_memory(&self) -> Result<(), IommuError> {
        let capability = self.capability;
        if !(capability.has_protected_low_memory() || capability.has_protected_high_memory()) {
            return Ok(());
        }
        self.registers.write_u32(PROTECTED_MEMORY_ENABLE, 0);
        let on = || self.registers.read_u32(PROTECTED_MEMORY_ENABLE) & PROTECTED_MEMORY_STATUS != 0;
        self.wait("protected memory stayed on", || !on())
    }

    /// Sends fault events to the core that runs, the housekeeping core. These messages are
    /// the unit's own and are not remapped.
    fn report_faults(&self) {
        const MESSAGE_ADDRESS: u32 = 0xfee0_0000;
        let id = local_apic::id().0;
        let address = MESSAGE_ADDRESS | ((id & 0xff) << 12);
        self.registers
            .write_u32(FAULT_EVENT_DATA, local_apic::FAULT_VECTOR.into());
        self.registers.write_u32(FAULT_EVENT_ADDRESS, address);
        self.registers
            .write_u32(FAULT_EVENT_UPPER_ADDRESS, id & 0xffff_ff00);
        self.registers.write_u32(FAULT_EVENT_CONTROL, 0);
    }

    /// Gives the unit descriptors and waits until it has carried all of them out.
    ///
    /// # Errors
    /// The unit does not answer.
    pub fn invalidate(&self, descriptors: &[Descriptor]) -> Result<(), IommuError> {
        self.flush_write_buffer()?;
        self.queue.lock().submit(self.registers, descriptors)
    }

    /// Whether the unit has to be told even that an entry has become present: it may have cached
    /// that it was absent (VT-d, section 6.1 "Caching Mode"), or buffers what the CPU writes.
    pub const fn knows_absent_entries(&self) -> bool {
        self.capability.caching_mode() || self.capability.requires_write_buffer_flush()
    }

    /// Hands every fault that is recorded to `report`, and frees its record.
    pub fn take_faults(&self, report: &mut impl FnMut(&FaultRecord)) {
        let status = FaultStatus::from_bits_retain(self.registers.read_u32(FAULT_STATUS));
        if !status.intersects(FaultStatus::PENDING | FaultStatus::OVERFLOW) {
            return;
        }
        for offset in self.capability.fault_record_offsets() {
            let words = [
                self.registers.read_u64(offset),
                self.registers.read_u64(offset.saturating_add(8)),
            ];
            if let Some(record) = FaultRecord::decode(words) {
                // Freed first: while it is held, further faults are lost.
                let clear = offset.saturating_add(FaultRecord::CLEAR_OFFSET);
                self.registers.write_u32(clear, FaultRecord::CLEAR);
                report(&record);
            }
        }
        self.registers
            .write_u32(FAULT_STATUS, FaultStatus::OVERFLOW.bits());
    }

    /// How many domain identifiers the unit has.
    pub fn domains(&self) -> u32 {
        self.capability.domains()
    }

    /// Whether second-stage tables may have 3 levels.
    pub const fn supports_39_bits(&self) -> bool {
        self.capability.supports_39_bits()
    }

    /// Whether second-stage tables may have 4 levels.
    pub const fn supports_48_bits(&self) -> bool {
        self.capability.supports_48_bits()
    }

    /// The largest leaf of a second-stage table.
    pub fn largest_page(&self) -> PageSize {
        if self.capability.supports_1_gib_pages() {
            PageSize::Size1GiB
        } else if self.capability.supports_2_mib_pages() {
            PageSize::Size2MiB
        } else {
            PageSize::Size4KiB
        }
    }

    fn wait(&self, what: &'static str, done: impl FnMut() -> bool) -> Result<(), IommuError> {
        time::wait_for(COMMAND_MILLISECONDS, done)
            .then_some(())
            .ok_or(IommuError::Timeout(what))
    }
}
