//! The configuration space that a guest sees of one assigned function.
//!
//! The guest reads a 4 KiB page ([`Image`]) without an exit; it is built once by [`build`]
//! and afterwards changed only here. The guest's writes trap, come to [`Layout::write`], and
//! give an [`Effect`], which the caller carries out on the physical function where it has
//! one. The image never says what a guest may not know, and a write never reaches the
//! function but as an effect.
//!
//! What the guest sees (PCI Express Base Specification 5.0, chapter 7 "Software
//! Initialization and Configuration"): an ordinary endpoint of one function, without INTx,
//! ROM and I/O space; its BARs where the caller puts them, for good; of the capabilities power
//! management, MSI with one message, PCI Express and MSI-X; no extended capabilities, so no
//! SR-IOV, ATS, ACS, ARI or resizable BARs.
//!
//! A function that exists in no hardware is a [`Synthetic`] one: its image is built from a
//! description, and is written to in the same way.
//!
//! Not handled: bridges, vital product data, vendor-specific capabilities.

mod build;
mod synthetic;
mod write;

use pci_config::bar::Bars;

pub use build::build;
pub use synthetic::Synthetic;

/// The bytes of a function's configuration space.
pub const BYTES: usize = 4096;

/// The page that the guest reads. Offsets are multiples of 4 below 4,096.
pub trait Image {
    /// Reads four bytes, little-endian.
    fn read32(&self, offset: u16) -> u32;
    /// Writes four bytes.
    fn write32(&mut self, offset: u16, value: u32);
}

impl Image for [u8; BYTES] {
    fn read32(&self, offset: u16) -> u32 {
        let bytes = self
            .get(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk());
        bytes.map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }

    fn write32(&mut self, offset: u16, value: u32) {
        let bytes = self
            .get_mut(usize::from(offset)..)
            .and_then(|rest| rest.first_chunk_mut());
        if let Some(bytes) = bytes {
            *bytes = value.to_le_bytes();
        }
    }
}

/// What is assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole function: IDs and everything else from its own configuration space.
    Whole,
    /// A virtual function: its own ID and BAR registers read all ones and zero.
    Virtual {
        /// Its PF's vendor ID.
        vendor: u16,
        /// VF Device ID of its PF's SR-IOV capability.
        device: u16,
    },
}

/// Where the writable registers of an image are. Zero means that there is no such capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    bars: Bars,
    power_management: u16,
    msi: u16,
    express: u16,
    msix: u16,
}

impl Layout {
    /// Where the image has the MSI-X capability: where the physical function has it.
    #[must_use]
    pub const fn msix(&self) -> Option<u16> {
        if self.msix == 0 {
            None
        } else {
            Some(self.msix)
        }
    }
}

/// What a guest's write means for the physical function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: the write was dropped.
    None,
    /// Nothing: only the image changed.
    ImageOnly,
    /// The command register.
    Command {
        /// The function is to answer in memory space.
        memory: bool,
        /// The function is to issue requests.
        bus_master: bool,
    },
    /// Message Control of MSI-X.
    MsixControl {
        /// MSI-X is to be on.
        enable: bool,
        /// All vectors are to be masked.
        mask_all: bool,
    },
    /// MSI; the complete state.
    Msi(Msi),
    /// The power state, 0 for D0 to 3 for D3hot.
    PowerState(u8),
    /// A function level reset. The image is in its state after reset already; MSI-X table
    /// and interrupt-remapping entries are the caller's.
    FunctionLevelReset,
    /// Device Control: these bits are to be set, and the others of [`DEVICE_CONTROL_BITS`]
    /// to be cleared; all other bits stay.
    DeviceControl(u16),
}

/// The bits of Device Control that are the guest's: relaxed ordering and no snoop.
pub const DEVICE_CONTROL_BITS: u16 =
    pci_config::express::CONTROL_RELAXED_ORDERING | pci_config::express::CONTROL_NO_SNOOP;

/// MSI as the guest programmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Msi {
    /// MSI is on.
    pub enable: bool,
    /// Message Address.
    pub address: u64,
    /// Message Data.
    pub data: u16,
    /// The one vector is masked.
    pub masked: bool,
}

#[cfg(test)]
mod tests;
