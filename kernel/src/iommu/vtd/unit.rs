//! One remapping unit's registers (VT-d, chapter 11 "Register Descriptions").

use addr::{HostPhysical, PageSize, Range};
use spin::Mutex;
use vtd::registers::{
    CAPABILITY, EXTENDED_CAPABILITY, FAULT_EVENT_ADDRESS, FAULT_EVENT_CONTROL, FAULT_EVENT_DATA,
    FAULT_EVENT_MASK, FAULT_EVENT_UPPER_ADDRESS, FAULT_STATUS, GLOBAL_COMMAND, GLOBAL_STATUS,
    INTERRUPT_REMAPPING_TABLE_ADDRESS, PROTECTED_MEMORY_ENABLE, PROTECTED_MEMORY_STATUS,
    ROOT_TABLE_ADDRESS,
};
use vtd::{
    Capability, Change, Descriptor, DomainId, ExtendedCapability, FaultRecord, FaultStatus, Global,
    remapping, tables,
};

use super::super::IommuError;
use super::queue::InvalidationQueue;
use crate::cpu::{local_apic, time};
use crate::host::paging;
use crate::host::physical::Registers;

/// What a unit must have.
const REQUIRED: [(ExtendedCapability, &str); 3] = [
    (
        ExtendedCapability::QUEUED_INVALIDATION,
        "queued invalidation (ECAP.QI)",
    ),
    (
        ExtendedCapability::INTERRUPT_REMAPPING,
        "interrupt remapping (ECAP.IR)",
    ),
    (
        ExtendedCapability::EXTENDED_INTERRUPT_MODE,
        "extended interrupt mode (ECAP.EIM)",
    ),
];
/// No command takes this long on a unit that works.
const COMMAND_MILLISECONDS: u64 = 100;

/// One unit.
pub struct Unit {
    registers: Registers,
    capability: Capability,
    queue: Mutex<InvalidationQueue>,
}

impl Unit {
    /// Maps the unit with these registers and checks what it can do.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn take(range: Range<HostPhysical>) -> Result<Self, IommuError> {
        paging::map_device(range).map_err(IommuError::Map)?;
        // SAFETY: the firmware says that a remapping unit is there, and it is mapped, uncached.
        // All that it is made to write is the status word of its own invalidation queue.
        let registers = unsafe { Registers::new(range) };
        let capability = Capability::from_bits_retain(registers.read_u64(CAPABILITY));
        let extended =
            ExtendedCapability::from_bits_retain(registers.read_u64(EXTENDED_CAPABILITY));
        if let Some((_, name)) = REQUIRED.iter().find(|(bit, _)| !extended.contains(*bit)) {
            return Err(IommuError::Missing(name));
        }
        // Each record is aligned to its own 16 bytes.
        if capability
            .fault_record_offsets()
            .any(|offset| offset >= range.bytes())
        {
            return Err(IommuError::Missing("fault records among its registers"));
        }
        let queue = Mutex::new(InvalidationQueue::new()?);
        Ok(Self {
            registers,
            capability,
            queue,
        })
    }

    /// Blocks all DMA by the empty root table at `root`, and all interrupts but those of
    /// `remapping`. Faults raise no interrupt.
    ///
    /// # Errors
    /// The unit does not answer.
    pub fn block(&self, root: HostPhysical, remapping: HostPhysical) -> Result<(), IommuError> {
        self.registers
            .write_u32(FAULT_EVENT_CONTROL, FAULT_EVENT_MASK);
        for bit in Global::LEFTOVERS {
            self.carry_out(Change::Off(bit))?;
        }
        self.flush_write_buffer()?;
        self.registers
            .write_u64(ROOT_TABLE_ADDRESS, tables::root_table_address(root));
        self.carry_out(Change::On(Global::ROOT_TABLE))?;
        self.start_queue()?;
        self.invalidate(&Descriptor::FORGET_ALL)?;
        self.carry_out(Change::On(Global::TRANSLATION))?;
        let table = remapping::table_address(remapping);
        self.registers
            .write_u64(INTERRUPT_REMAPPING_TABLE_ADDRESS, table);
        self.carry_out(Change::On(Global::INTERRUPT_REMAPPING_TABLE))?;
        self.invalidate(&[Descriptor::interrupt_entry_cache_global()])?;
        self.carry_out(Change::On(Global::INTERRUPT_REMAPPING))?;
        self.open_protected_memory()
    }

    fn status(&self) -> Global {
        Global::from_bits_truncate(self.registers.read_u32(GLOBAL_STATUS))
    }

    fn carry_out(&self, change: Change) -> Result<(), IommuError> {
        let command = change.command(self.status());
        self.registers.write_u32(GLOBAL_COMMAND, command.bits());
        self.wait("a command was not carried out", || {
            change.is_done(self.status())
        })
    }

    /// Starts the invalidation queue, which must be off.
    fn start_queue(&self) -> Result<(), IommuError> {
        self.queue.lock().install(self.registers);
        self.carry_out(Change::On(Global::QUEUED_INVALIDATION))
    }

    /// Units that must be asked to see what the CPU has written (CAP.RWBF).
    fn flush_write_buffer(&self) -> Result<(), IommuError> {
        if !self.can(Capability::WRITE_BUFFER_FLUSH) {
            return Ok(());
        }
        self.carry_out(Change::Flush)
    }

    /// Switches off the protected memory regions that firmware may have set up for its own
    /// time: translation does more, and they would keep partitions' devices from memory.
    fn open_protected_memory(&self) -> Result<(), IommuError> {
        if !self.capability.intersects(Capability::PROTECTED_MEMORY) {
            return Ok(());
        }
        self.registers.write_u32(PROTECTED_MEMORY_ENABLE, 0);
        let on = || self.registers.read_u32(PROTECTED_MEMORY_ENABLE) & PROTECTED_MEMORY_STATUS != 0;
        self.wait("protected memory stayed on", || !on())
    }

    /// Sends fault events to the core that runs, the housekeeping core. These messages are
    /// the unit's own and are not remapped.
    pub fn report_faults(&self) {
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

    /// Lets the unit forget what it has cached of the functions of a domain.
    ///
    /// # Errors
    /// The unit does not answer.
    pub fn forget(&self, domain: DomainId) -> Result<(), IommuError> {
        self.invalidate(&Descriptor::forget(domain, self.capability))
    }

    /// Whether the unit has to be told even that an entry has become present: it may have cached
    /// that it was absent (VT-d, section 6.1 "Caching Mode"), or buffers what the CPU writes.
    pub const fn knows_absent_entries(&self) -> bool {
        self.can(Capability::CACHING_MODE) || self.can(Capability::WRITE_BUFFER_FLUSH)
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

    /// Whether the unit has `capability`.
    pub const fn can(&self, capability: Capability) -> bool {
        self.capability.contains(capability)
    }

    /// The largest leaf of a second-stage table.
    pub fn largest_page(&self) -> PageSize {
        if self.can(Capability::LEAVES_OF_1_GIB) {
            PageSize::Size1GiB
        } else if self.can(Capability::LEAVES_OF_2_MIB) {
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
