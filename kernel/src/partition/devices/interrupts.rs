//! A function's interrupts: MSI and MSI-X as the guest programs them, turned into
//! interrupt-remapping entries.

use pci_config::{CapabilityId, ConfigSpace, capability, msix};
use vdev::config_space::Msi;
use vdev::message;
use vdev::msix::{Change, Table};

use super::{Effect, Function};
use crate::host::physical::Registers;
use crate::partition::Partition;

/// MSI capability registers (PCI Express Base Specification 5.0, section 7.7.1).
const MSI_CONTROL: u16 = 0x02;
const MSI_ADDRESS: u16 = 0x04;
const MSI_CONTROL_ENABLE: u16 = 1 << 0;
const MSI_CONTROL_MULTIPLE: u16 = 0b111 << 4;
const MSI_CONTROL_64_BIT: u16 = 1 << 7;
const VECTOR_CONTROL: u64 = 12;
const MASKED: u32 = 1;

impl Function {
    /// Reads from a page that holds the MSI-X table: the guest's own entries, or the
    /// device's register beside the table.
    pub fn read_msix(&mut self, offset: u64, bytes: u8) -> u64 {
        let Some(messages) = &mut self.messages else {
            return u64::MAX;
        };
        match in_table(offset, messages.offset, messages.entries.len()) {
            Some(inside) => Table::new(&mut messages.entries).read(inside, bytes),
            None => match bytes {
                1 => messages.registers.read_u8(offset).into(),
                2 => messages.registers.read_u16(offset).into(),
                4 => messages.registers.read_u32(offset).into(),
                _ => messages.registers.read_u64(offset),
            },
        }
    }

    /// Writes to a page that holds the MSI-X table.
    pub fn write_msix(
        &mut self,
        partition: &Partition,
        offset: u64,
        bytes: u8,
        value: u64,
    ) -> Effect {
        let Some(messages) = &mut self.messages else {
            return Effect::Denied;
        };
        let Some(inside) = in_table(offset, messages.offset, messages.entries.len()) else {
            match bytes {
                1 => messages.registers.write_u8(offset, value as u8),
                2 => messages.registers.write_u16(offset, value as u16),
                4 => messages.registers.write_u32(offset, value as u32),
                _ => messages.registers.write_u64(offset, value),
            }
            return Effect::Done;
        };
        match Table::new(&mut messages.entries).write(inside, bytes, value) {
            Some(change) => self.program(partition, change),
            None => Effect::Done,
        }
    }

    /// Brings the device's entry and the remapping entry in line with what the guest wants.
    fn program(&mut self, partition: &Partition, change: Change) -> Effect {
        let Change { vector, entry } = change;
        if entry.masked {
            self.control(vector, MASKED);
            return Effect::Done;
        }
        let interrupt = message::check(entry.address, entry.data, &partition.core_ids);
        let mapped = interrupt.is_ok_and(|interrupt| {
            let (block, requester) = (&self.interrupts, self.address);
            let mapped = self
                .iommu
                .set_interrupt(block, vector, requester, interrupt);
            mapped.is_ok()
        });
        if !mapped {
            self.control(vector, MASKED);
            return Effect::Denied;
        }
        self.write_message(vector);
        self.control(vector, 0);
        Effect::Done
    }

    /// Where the device's entry `vector` is, and its registers.
    fn entry(&self, vector: u16) -> Option<(Registers, u64)> {
        let messages = self.messages.as_ref()?;
        let start = u64::from(vector).wrapping_mul(msix::ENTRY_BYTES.into());
        Some((
            messages.registers,
            start.wrapping_add(messages.offset.into()),
        ))
    }

    /// Writes Vector Control of the device's entry `vector`.
    fn control(&self, vector: u16, control: u32) {
        if let Some((registers, start)) = self.entry(vector) {
            registers.write_u32(start.wrapping_add(VECTOR_CONTROL), control);
        }
    }

    /// Writes the message of the device's entry `vector`, which names its remapping entry and so
    /// is always the same: a device that sends it meanwhile sends no mixture.
    fn write_message(&self, vector: u16) {
        let place = self.entry(vector).zip(self.interrupts.message(vector));
        if let Some(((registers, start), (address, data))) = place {
            registers.write_u32(start, address as u32);
            registers.write_u32(start.wrapping_add(4), (address >> 32) as u32);
            registers.write_u32(start.wrapping_add(8), data);
        }
    }

    /// Switches MSI-X as a whole.
    pub(super) fn set_msix_control(&self, enable: bool, mask_all: bool) {
        if let Some(messages) = &self.messages {
            let enable = if enable { msix::CONTROL_ENABLE } else { 0 };
            let mask = if mask_all {
                msix::CONTROL_FUNCTION_MASK
            } else {
                0
            };
            msix::set_control(&self.config, &messages.capability, enable | mask);
        }
    }

    /// Sets the function's one MSI message.
    pub(super) fn set_msi(&self, partition: &Partition, wanted: Msi) -> Effect {
        let Some((start, off)) = self.switch_msi_off() else {
            return Effect::Denied;
        };
        let register = |offset: u16| start.wrapping_add(offset);
        if !wanted.enable || wanted.masked {
            return Effect::Done;
        }
        let checked = message::check(wanted.address, wanted.data.into(), &partition.core_ids);
        let Ok(interrupt) = checked else {
            return Effect::Denied;
        };
        let mapped = self
            .iommu
            .set_interrupt(&self.interrupts, 0, self.address, interrupt);
        let (Ok(()), Some((address, data))) = (mapped, self.interrupts.message(0)) else {
            return Effect::Denied;
        };
        self.config.write32(register(MSI_ADDRESS), address as u32);
        let data_register = if off & MSI_CONTROL_64_BIT == 0 {
            8
        } else {
            self.config.write32(register(8), (address >> 32) as u32);
            12
        };
        self.config.write16(register(data_register), data as u16);
        self.config
            .write16(register(MSI_CONTROL), off | MSI_CONTROL_ENABLE);
        Effect::Done
    }

    /// Switches MSI off, if it has that: where its registers are, and what the control register
    /// holds now.
    fn switch_msi_off(&self) -> Option<(u16, u16)> {
        let start = capability::find(&self.config, CapabilityId::MSI)?;
        let register = start.wrapping_add(MSI_CONTROL);
        let off = self.config.read16(register) & !(MSI_CONTROL_ENABLE | MSI_CONTROL_MULTIPLE);
        self.config.write16(register, off);
        Some((start, off))
    }

    /// Masks every message, the guest's and the device's. A function without a reset of its own
    /// has them as its last guest left them.
    pub(super) fn mask_messages(&mut self) {
        self.switch_msi_off();
        self.set_msix_control(false, true);
        let count = self.messages.as_mut().map_or(0, |messages| {
            Table::new(&mut messages.entries).reset();
            messages.capability.entries
        });
        for vector in 0..count {
            self.control(vector, MASKED);
            self.write_message(vector);
        }
    }
}

/// The offset inside the table of `count` entries that begins at `start`.
fn in_table(offset: u64, start: u32, count: usize) -> Option<u32> {
    let inside = u32::try_from(offset).ok()?.checked_sub(start)?;
    let bytes = (count as u64).checked_mul(msix::ENTRY_BYTES.into())?;
    (u64::from(inside) < bytes).then_some(inside)
}
