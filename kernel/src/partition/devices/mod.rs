//! A partition's PCI functions: what its guest sees of them, and what of that is real.
//!
//! Doorbells and all other registers are the guest's own, without an exit. Configuration
//! space is a page that it reads and cannot write; the page with the MSI-X table is trapped,
//! and what the guest writes there becomes interrupt-remapping entries that reach only its
//! own cores.
//!
//! Key types: [`Function`], one that the machine has, and [`Synthetic`], one that Bulkhead
//! itself is.

mod assign;
pub mod console;
mod delegation;
mod interrupts;
pub mod reset;
pub mod synthetic;

extern crate alloc;
use alloc::boxed::Box;

use addr::{GuestPhysical, HostPhysical, Range, RequesterId};
use page_table::MapError;
use pci_config::bar::Bars;
use pci_config::identity::Identity;
use pci_config::{ConfigSpace, express, header, msix};
use thiserror::Error;
use vdev::config_space::{self, Layout};

use super::Partition;
use crate::cpu::core::OutOfFrames;
use crate::host::frames;
use crate::host::physical::{Ram, Registers};
use crate::iommu::{InterruptBlock, Iommu, IommuError};
use crate::pci::ecam::EcamFunction;

pub use assign::{Given, assign};
pub use delegation::SharedPages;
pub use synthetic::Synthetic;

/// Why a function cannot be given to a partition.
#[derive(Debug, Error)]
pub enum DeviceError {
    /// It is not there, or its virtual functions could not be switched on.
    #[error("it is not there, or could not be switched on")]
    Absent,
    /// A BAR has no address, shares a page with something else, or is no memory.
    #[error("its BAR {index} {why}")]
    Bar { index: u8, why: &'static str },
    /// It has neither MSI nor MSI-X.
    #[error("it has neither MSI-X nor MSI")]
    NoInterrupts,
    /// Its registers could not be mapped.
    #[error("its registers: {0}")]
    Map(#[from] MapError),
    /// The IOMMU refused.
    #[error("{0}")]
    Iommu(#[from] IommuError),
    /// No frame is left for its configuration page.
    #[error("no memory is left for its configuration page")]
    OutOfFrames,
}

impl From<OutOfFrames> for DeviceError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// What became of a guest's access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was done, or dropped as hardware would have dropped it.
    Done,
    /// It was refused.
    Denied,
}

/// Whose place on the guest's bus it is, and which one of theirs.
pub enum Slot {
    /// A function of the machine's.
    Real(usize),
    /// One that Bulkhead is.
    Synthetic(usize),
}

/// The place with this device and function number on bus 0; nobody has device 0, or a
/// function number above 0.
pub fn slot(device_function: u8) -> Option<Slot> {
    let (device, function) = (device_function >> 3, device_function & 7);
    if function != 0 {
        return None;
    }
    Some(match device.checked_sub(synthetic::FIRST_DEVICE) {
        Some(index) => Slot::Synthetic(index.into()),
        None => Slot::Real(device.checked_sub(1)?.into()),
    })
}

/// A page that the guest reads and cannot write: configuration space, or registers.
struct ImagePage(Ram);

impl ImagePage {
    fn allocate() -> Result<Self, OutOfFrames> {
        frames::allocate(1).map(Self).ok_or(OutOfFrames)
    }

    const fn range(&self) -> Range<HostPhysical> {
        self.0.range()
    }

    /// Reads 1, 2 or 4 bytes.
    fn read(&self, offset: u16, bytes: u8) -> u32 {
        let word = config_space::Image::read32(self, offset & 0xffc);
        let shift = u32::from(offset & 3).wrapping_mul(8);
        let value = word.wrapping_shr(shift);
        match bytes {
            1 => value & 0xff,
            2 => value & 0xffff,
            _ => value,
        }
    }
}

impl config_space::Image for ImagePage {
    fn read32(&self, offset: u16) -> u32 {
        let word = self.0.read_u64(u64::from(offset & !7)).unwrap_or(u64::MAX);
        let shift = u32::from(offset & 4).wrapping_mul(8);
        word.wrapping_shr(shift) as u32
    }

    fn write32(&mut self, offset: u16, value: u32) {
        // A page has no word outside itself: the library keeps to offsets below 4,096.
        let _ = self.0.write(offset.into(), &value.to_le_bytes());
    }
}

/// A function's MSI-X table: the device's own, which Bulkhead writes, and the guest's.
struct MessageTable {
    capability: msix::Msix,
    /// The pages of the BAR that hold the table and, maybe, other registers.
    registers: Registers,
    trapped: Range<GuestPhysical>,
    /// The table's first byte, counted from the first trapped page.
    offset: u32,
    entries: Box<[vdev::msix::Entry]>,
}

/// A function that a partition owns.
pub struct Function {
    /// Its requester ID.
    pub address: RequesterId,
    config: EcamFunction,
    identity: Identity,
    layout: Layout,
    page: ImagePage,
    /// Its BARs as the machine has them; the guest has them at other addresses.
    bars: Bars,
    /// Whether the BAR registers are its own; a virtual function's are its PF's.
    own_bars: bool,
    messages: Option<MessageTable>,
    interrupts: InterruptBlock,
    iommu: &'static Iommu,
}

impl Function {
    /// The distance of `at` from the first trapped page, if it lies in one of them.
    pub fn trapped_offset(&self, at: GuestPhysical) -> Option<u64> {
        self.messages.as_ref()?.trapped.offset_of(at)
    }

    /// Reads the configuration space as the guest sees it.
    pub fn read_config(&self, offset: u16, bytes: u8) -> u32 {
        self.page.read(offset, bytes)
    }

    /// Carries out the guest's write to its configuration space.
    pub fn write_config(
        &mut self,
        partition: &Partition,
        offset: u16,
        bytes: u8,
        value: u32,
    ) -> Effect {
        use config_space::Effect as Write;
        match self.layout.write(&mut self.page, offset, bytes, value) {
            // Power states are shown, not entered: leaving D3 would reset the function.
            Write::None | Write::ImageOnly | Write::PowerState(_) => {}
            Write::Command { memory, bus_master } => self.set_command(memory, bus_master),
            Write::MsixControl { enable, mask_all } => self.set_msix_control(enable, mask_all),
            Write::Msi(message) => return self.set_msi(partition, message),
            Write::FunctionLevelReset => return self.reset_by_guest(partition),
            Write::DeviceControl(bits) => self.set_device_control(bits),
        }
        Effect::Done
    }

    fn set_command(&self, memory: bool, bus_master: bool) {
        let memory = memory && self.displaced_bar().is_none();
        let bits = [
            (memory, header::COMMAND_MEMORY_SPACE),
            (bus_master, header::COMMAND_BUS_MASTER),
        ];
        let set = bits
            .iter()
            .filter(|(on, _)| *on)
            .fold(0, |set, (_, bit)| set | bit);
        let all = header::COMMAND_MEMORY_SPACE | header::COMMAND_BUS_MASTER;
        header::update_command(&self.config, set, all & !set);
    }

    fn set_device_control(&self, bits: u16) {
        if let Some(express) = express::read(&self.config) {
            let register = express.device_control();
            let kept = self.config.read16(register) & !config_space::DEVICE_CONTROL_BITS;
            self.config.write16(register, kept | bits);
        }
    }
}
