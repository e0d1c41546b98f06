//! What a partition manages others by, as a function on its guest's bus: memory that it shares
//! with the management channel's server.
//!
//! Key type: [`SharedPages`]. BAR 0 is two pages in the form of `shared_ring`. The guest may
//! write the first and only read the second, so that it can break nothing but its own half of
//! the conversation. None of that is an exit; the housekeeping core looks now and then.

extern crate alloc;
use alloc::boxed::Box;

use page_table::Access;
use pci_config::header::Class;
use vdev::config_space;

use super::synthetic::Pages;
use crate::cpu::core::OutOfFrames;
use crate::host::frames;
use crate::host::physical::Ram;

/// What the guest sees in configuration space. No vendor ID is ours, and who takes another's is
/// bound to that vendor's drivers: this one is assigned to nobody, and the capability says who
/// it is, should that change.
pub const IDENTITY: config_space::Synthetic<'static> = config_space::Synthetic {
    vendor: shared_ring::VENDOR_ID,
    device: shared_ring::DEVICE_ID,
    subsystem_vendor: 0,
    subsystem: 0,
    // Memory controller, RAM: what it is, and no driver is bound to by class.
    class: Class {
        base: 0x05,
        sub: 0x00,
        interface: 0,
    },
    revision: 1,
    bars: [None; 6],
    capabilities: &[&shared_ring::CAPABILITY],
};

/// The two pages, as Bulkhead has them.
pub struct SharedPages {
    guests: Ram,
    own: Ram,
}

impl SharedPages {
    /// Two clear pages, for good.
    ///
    /// # Errors
    /// No frame is left.
    pub fn allocate() -> Result<&'static Self, OutOfFrames> {
        Ok(Box::leak(Box::new(Self {
            guests: frames::allocate(1).ok_or(OutOfFrames)?,
            own: frames::allocate(1).ok_or(OutOfFrames)?,
        })))
    }

    /// The pages of BAR 0.
    pub fn pages(&self) -> [Pages; 2] {
        [
            (self.guests.range(), Access::READ | Access::WRITE),
            (self.own.range(), Access::READ),
        ]
    }

    /// Makes both as new, for the next guest. No core may run the last one.
    pub fn reset(&self) {
        self.guests.clear();
        self.own.clear();
    }
}

/// What lies outside a page is not there; `shared_ring` keeps inside. Accesses are volatile,
/// so the compiler leaves them in order, and the CPU does: loads are not reordered with loads,
/// nor stores with older loads and stores (Intel SDM 325384-080, volume 3A, section 9.2.2).
impl shared_ring::Pages for &SharedPages {
    fn read_number(&self, offset: u64) -> u64 {
        self.guests.read_u64(offset).unwrap_or(0)
    }

    fn read_byte(&self, offset: u64) -> u8 {
        self.guests.read_u8(offset).unwrap_or(0)
    }

    fn write_number(&self, offset: u64, number: u64) {
        _ = self.own.write_u64(offset, number);
    }

    fn write_byte(&self, offset: u64, byte: u8) {
        _ = self.own.write_u8(offset, byte);
    }
}
