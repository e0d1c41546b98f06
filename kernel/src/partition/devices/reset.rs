//! Taking a function back to a known state (PCI Express Base Specification 5.0, section
//! 6.6.2 "Function Level Reset (FLR)").

use pci_config::{ConfigSpace, bar, express, header};

use super::Function;
use crate::cpu::time;
use crate::iommu::IommuError;

/// How long requests may stay unanswered before a reset is made all the same.
const PENDING_MILLISECONDS: u64 = 100;
/// A function has this long to be ready after its reset.
const RESET_MILLISECONDS: u64 = 100;

impl Function {
    /// Stops the function's DMA, waits for what is under way, resets it and puts back what
    /// the guest does not own: the BARs' addresses and a silent message table. A function
    /// that cannot be reset alone keeps its state, with DMA off.
    ///
    /// `pause` lets milliseconds go by, as this core may: [`time::sleep`] or [`time::spin`].
    ///
    /// # Errors
    /// The IOMMU does not answer: interrupts may still pass.
    pub fn reset(&mut self, pause: fn(u64)) -> Result<(), IommuError> {
        header::update_command(&self.config, 0, header::COMMAND_BUS_MASTER);
        let capability = express::read(&self.config);
        if let Some(express) = capability.filter(|express| express.function_level_reset) {
            let idle = || !express.read_transactions_pending(&self.config);
            time::wait_for(PENDING_MILLISECONDS, idle);
            express.start_function_level_reset(&self.config);
            self.wait_until_ready(pause);
        }
        self.restore_bars();
        self.silence()
    }

    /// Brings a virtual function that has just been enabled, and so is in its state after
    /// reset, to where [`Function::reset`] would leave it, without waiting for a reset.
    pub(super) fn settle(&mut self) -> Result<(), IommuError> {
        header::update_command(&self.config, 0, header::COMMAND_BUS_MASTER);
        self.restore_bars();
        self.silence()
    }

    /// The function must not be touched for the whole time, ready or not.
    fn wait_until_ready(&self, pause: fn(u64)) {
        pause(RESET_MILLISECONDS);
        let answers = || self.config.read16(header::COMMAND) != u16::MAX;
        time::wait_for(RESET_MILLISECONDS, answers);
    }

    fn restore_bars(&self) {
        if self.own_bars {
            for bar in self.bars.iter().flatten() {
                bar::set_address(&self.config, bar, bar.address);
            }
        }
        // Message tables are reached in memory space; interrupt pins are nobody's.
        let set = header::COMMAND_MEMORY_SPACE | header::COMMAND_INTERRUPT_DISABLE;
        header::update_command(&self.config, set, 0);
    }
}
