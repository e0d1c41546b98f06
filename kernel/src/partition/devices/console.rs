//! The console without exits, as a function on the guest's bus.
//!
//! BAR 0 has two pages: registers, which the guest only reads, and doorbells, which it may
//! ring without an exit and nobody looks at.

use addr::{PageSize, Range};
use guest_image::layout;
use page_table::Access;
use pci_config::header::Class;
use vdev::{config_space, msix};

use super::synthetic::Pages;
use super::{Effect, ImagePage};
use crate::cpu::core::OutOfFrames;
use crate::partition::Partition;
use crate::partition::memory::GuestRam;

/// Messages: one for the configuration, one for both queues or the receive queue.
const VECTORS: usize = 2;
const MESSAGES: msix::Synthetic<VECTORS> = msix::Synthetic::new(0x800, 0xc00);

/// What the guest sees in configuration space.
pub const IDENTITY: config_space::Synthetic<'static> = config_space::Synthetic {
    // Virtual I/O Device (VIRTIO) Version 1.1, section 4.1.2 "PCI Device Discovery": the
    // device ID is 0x1040 and the virtio device ID.
    vendor: 0x1af4,
    device: 0x1043,
    subsystem_vendor: 0x1af4,
    subsystem: 0x1100,
    // Simple communication controller, other.
    class: Class {
        base: 0x07,
        sub: 0x80,
        interface: 0,
    },
    revision: 1,
    bars: [None; 6],
    capabilities: &[&MESSAGES.capability(0)],
};

/// The console's registers.
pub struct Console {
    registers: ImagePage,
    messages: msix::Synthetic<VECTORS>,
}

impl Console {
    /// A console after reset.
    ///
    /// # Errors
    /// No memory is left.
    pub fn new() -> Result<Self, OutOfFrames> {
        let mut console = Self {
            registers: ImagePage::allocate()?,
            messages: MESSAGES,
        };
        console.reset();
        Ok(console)
    }

    /// The pages of BAR 0. The doorbells are a page of the guest's own memory that it is told
    /// to leave alone, so that they cost Bulkhead none.
    pub fn pages(&self, memory: &GuestRam) -> Option<[Pages; 2]> {
        let doorbells = Range::new(layout::DOORBELLS, PageSize::Size4KiB.bytes())?;
        Some([
            (self.registers.range(), Access::READ),
            (memory.host(doorbells)?, Access::READ | Access::WRITE),
        ])
    }

    /// Follows a change of the configuration space.
    pub const fn configure(&mut self, change: config_space::Effect) {
        if let config_space::Effect::MsixControl { enable, mask_all } = change {
            self.messages.control(enable, mask_all);
        }
    }

    /// Carries out a write to the registers.
    pub fn write(&mut self, partition: &Partition, offset: u16, bytes: u8, value: u64) -> Effect {
        let write = (offset, bytes, value);
        match self
            .messages
            .write(&mut self.registers, write, &partition.core_ids)
        {
            Some(Err(_)) => Effect::Denied,
            Some(Ok(())) | None => Effect::Done,
        }
    }

    /// Puts it into the state after reset.
    pub fn reset(&mut self) {
        self.messages.reset(&mut self.registers);
    }
}
