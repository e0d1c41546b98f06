//! The console without exits: a virtio console that the housekeeping core serves.
//!
//! BAR 0 has two pages: registers, which the guest only reads, and doorbells, which it may
//! ring without an exit and nobody looks at: the housekeeping core looks at the rings.

use addr::{PageSize, Range};
use guest_image::layout;
use page_table::Access;
use vdev::{config_space, virtio};

use super::synthetic::Pages;
use super::{Effect, ImagePage};
use crate::cpu::core::OutOfFrames;
use crate::partition::Partition;
use crate::partition::memory::GuestRam;

pub use vdev::virtio::console::IDENTITY;

/// How many steps are taken along a guest's ring in one go, of which most are bytes of its
/// output: others want to be looked after.
const TURN_STEPS: usize = 1024;

/// The console, and the page where the guest reads its registers.
pub struct Console {
    page: ImagePage,
    device: virtio::console::Console,
}

/// What a look at a console has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// No driver uses it.
    Unused,
    /// A driver may print at any time.
    Quiet,
    /// A driver prints.
    Printing,
}

impl Console {
    /// A console after reset.
    ///
    /// # Errors
    /// No memory is left.
    pub fn new() -> Result<Self, OutOfFrames> {
        let mut console = Self {
            page: ImagePage::allocate()?,
            device: virtio::console::Console::new(),
        };
        console.reset();
        Ok(console)
    }

    /// The pages of BAR 0. The doorbells are a page of the guest's own memory that it is told
    /// to leave alone, so that they cost Bulkhead none.
    pub fn pages(&self, memory: &GuestRam) -> Option<[Pages; 2]> {
        let doorbells = Range::new(layout::DOORBELLS, PageSize::Size4KiB.bytes())?;
        Some([
            (self.page.range(), Access::READ),
            (memory.host(doorbells)?, Access::READ | Access::WRITE),
        ])
    }

    /// Follows a change of the configuration space.
    pub const fn configure(&mut self, change: config_space::Effect) {
        self.device.configure(change);
    }

    /// Carries out a write to the registers.
    pub fn write(&mut self, partition: &Partition, write: (u16, u8, u64)) -> Effect {
        let own = &partition.core_ids;
        match self.device.write(&mut self.page, write, own) {
            Ok(()) => Effect::Done,
            Err(_) => Effect::Denied,
        }
    }

    /// Puts it into the state after reset.
    pub fn reset(&mut self) {
        self.device.reset(&mut self.page);
    }

    /// Takes some of what the guest prints, to `put`.
    pub fn transmit(&mut self, partition: &Partition, put: impl FnMut(u8)) -> Activity {
        if !self.device.is_live() {
            return Activity::Unused;
        }
        let (page, memory) = (&mut self.page, &partition.memory);
        let count = self.device.transmit(page, memory, TURN_STEPS, put);
        self.announce(partition);
        if count > 0 {
            Activity::Printing
        } else {
            Activity::Quiet
        }
    }

    /// Gives the guest what was typed; how much of it found room, or `None` if its driver
    /// wants none here.
    pub fn receive(&mut self, partition: &Partition, bytes: &[u8]) -> Option<usize> {
        let (page, memory) = (&mut self.page, &partition.memory);
        let count = self.device.receive(page, memory, bytes);
        self.announce(partition);
        count
    }

    fn announce(&mut self, partition: &Partition) {
        self.device.take_due(&mut self.page, |interrupt| {
            // A core that does not run the guest gets none, as hardware drops it in reset.
            partition.interrupt(interrupt);
        });
    }
}
