//! A console (VIRTIO, section 5.3 "Console Device") with one port and no feature of its own:
//! one queue by which the driver receives, one by which it transmits.
//!
//! Registers, messages and queues together, over a page that the guest reads. Nothing here
//! goes on for long: each call has a budget of steps, to which every buffer, descriptor and
//! byte counts.

use addr::ApicId;
use pci_config::header::Class;

use super::Memory;
use super::queue::{Broken, Queue};
use super::registers::{self, Registers};
use crate::config_space::{self, Effect, Image};
use crate::message::{Interrupt, Refusal};
use crate::msix;

/// Messages: one for the configuration, one for the queues.
const VECTORS: usize = 2;
/// Where the structures are in the page of registers; the device's own configuration is there,
/// but no feature gives it a meaning.
const INTERRUPT_STATUS: u16 = 0x40;
const DEVICE: u16 = 0x80;
const TABLE: u16 = 0x800;
const PENDING: u16 = 0xc00;
/// The next page is doorbells.
const NOTIFY: u16 = 0x1000;

const MESSAGES: msix::Synthetic<VECTORS> = msix::Synthetic::new(TABLE, PENDING);
const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
/// What of typed bytes is brought in by one call; more than a driver that gives each byte a
/// buffer of its own needs for a request's.
const RECEIVE_STEPS: usize = 1024;

/// What the guest sees in configuration space (VIRTIO, sections 4.1.2 "PCI Device Discovery"
/// and 4.1.4 "Virtio Structure PCI Capabilities"); BAR 0 is the page of registers, followed by
/// one of doorbells.
pub const IDENTITY: config_space::Synthetic<'static> = config_space::Synthetic {
    vendor: 0x1af4,
    device: 0x1043,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
    // A simple communication controller of no particular kind.
    class: Class {
        base: 0x07,
        sub: 0x80,
        interface: 0,
    },
    revision: 1,
    bars: [None; 6],
    capabilities: &[
        &structure(1, 0, registers::BYTES),
        &NOTIFICATIONS,
        &structure(3, INTERRUPT_STATUS, 4),
        &structure(4, DEVICE, 12),
        &MESSAGES.capability(0),
    ],
};

/// The notification structure: the second queue's doorbell is 4 bytes behind the first one's.
const NOTIFICATIONS: [u8; 20] = {
    let [a, b, _, d, e, f, g, h, i, j, k, l, m, n, o, p] = structure(2, NOTIFY, 8);
    [a, b, 20, d, e, f, g, h, i, j, k, l, m, n, o, p, 4, 0, 0, 0]
};

/// The capability that says where a structure is in BAR 0.
const fn structure(kind: u8, offset: u16, bytes: u16) -> [u8; 16] {
    let ([o0, o1], [b0, b1]) = (offset.to_le_bytes(), bytes.to_le_bytes());
    let id = pci_config::CapabilityId::VENDOR_SPECIFIC.0;
    [id, 0, 16, kind, 0, 0, 0, 0, o0, o1, 0, 0, b0, b1, 0, 0]
}

/// The device.
#[derive(Debug)]
pub struct Console {
    registers: Registers,
    messages: msix::Synthetic<VECTORS>,
    bus_master: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    /// A device after reset; [`Console::reset`] makes a page show it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            registers: Registers::new(VECTORS as u16),
            messages: MESSAGES,
            bus_master: false,
        }
    }

    /// Puts it into the state after a reset of the function.
    pub fn reset(&mut self, page: &mut impl Image) {
        *self = Self::new();
        self.messages.reset(page);
        self.registers.show(page);
    }

    /// Follows a change of the configuration space.
    pub const fn configure(&mut self, change: Effect) {
        match change {
            Effect::MsixControl { enable, mask_all } => self.messages.control(enable, mask_all),
            Effect::Command { bus_master, .. } => self.bus_master = bus_master,
            _ => {}
        }
    }

    /// The guest's write to the page of registers.
    ///
    /// # Errors
    /// It has programmed a message that is not its to send.
    pub fn write(
        &mut self,
        page: &mut impl Image,
        (offset, bytes, value): (u16, u8, u64),
        own: &[ApicId],
    ) -> Result<(), Refusal> {
        let message = self.messages.write(page, (offset, bytes, value), own);
        if let Some(outcome) = message {
            return outcome;
        }
        self.registers.write(offset, bytes, value);
        self.registers.show(page);
        Ok(())
    }

    /// Whether a driver uses it.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.registers.is_live() && self.bus_master
    }

    /// Takes bytes that the driver transmits, with `steps` steps at most, and hands them to
    /// `put`; how many.
    pub fn transmit<M: Memory>(
        &mut self,
        page: &mut impl Image,
        memory: &M,
        mut steps: usize,
        mut put: impl FnMut(u8),
    ) -> usize {
        let mut count = 0_usize;
        self.serve(page, TRANSMIT, |queue| {
            while let Some(at) = queue.next_byte(memory, &mut steps)? {
                put(memory.read_u8(at).ok_or(Broken)?);
                count = count.saturating_add(1);
            }
            queue.flush(memory)
        });
        count
    }

    /// Lets the driver receive `bytes`; how many of them found room in its buffers, or `None`
    /// if it uses the device for output at most: then they are for somebody else.
    pub fn receive<M: Memory>(
        &mut self,
        page: &mut impl Image,
        memory: &M,
        bytes: &[u8],
    ) -> Option<usize> {
        let mut count = None;
        self.serve(page, RECEIVE, |queue| {
            if !queue.is_used(memory)? {
                return Ok(false);
            }
            count = Some(0);
            let mut steps = RECEIVE_STEPS;
            for (taken, byte) in (1..).zip(bytes) {
                let Some(at) = queue.next_byte(memory, &mut steps)? else {
                    break;
                };
                memory.write(at, &[*byte]).ok_or(Broken)?;
                count = Some(taken);
            }
            queue.flush(memory)
        });
        count
    }

    /// Takes the interrupts that may be sent now.
    pub fn take_due(&mut self, page: &mut impl Image, send: impl FnMut(Interrupt)) {
        if self.bus_master {
            self.messages.take_due(page, send);
        }
    }

    /// Does `work` on a queue of a driver that uses the device, and what follows from it.
    fn serve(
        &mut self,
        page: &mut impl Image,
        index: usize,
        work: impl FnOnce(&mut Queue) -> Result<bool, Broken>,
    ) {
        if !self.is_live() {
            return;
        }
        let Some(queue) = self.registers.queue(index) else {
            return;
        };
        match work(queue) {
            Ok(false) => {}
            Ok(true) => self.messages.raise(self.registers.vector(index)),
            Err(Broken) => {
                self.messages.raise(self.registers.break_down());
                self.registers.show(page);
            }
        }
    }
}

#[cfg(test)]
mod tests;
