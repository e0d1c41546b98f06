//! Taking a function back to a known state (PCI Express Base Specification 5.0, section
//! 6.6.2 "Function Level Reset (FLR)").
//!
//! The steps are apart, for the housekeeping core takes them one by one and looks after
//! others in between. [`Function::reset`] is all of them in one go, for boot and for a guest
//! that resets its own function.

use lifecycle::Failure;
use pci_config::identity::{self, Identity};
use pci_config::{ConfigSpace, bar, express, header};

use super::{DeviceError, Effect, Function};
use crate::cpu::time;
use crate::partition::Partition;

/// How long requests may stay unanswered before a reset is made all the same.
pub const PENDING_MILLISECONDS: u64 = 100;
/// A function must not be touched for so long after its reset has begun, ready or not.
pub const RESET_MILLISECONDS: u64 = 100;
/// By then it must answer: a second after the reset (section 2.3.1 "Request Handling Rules",
/// on Configuration Request Retry Status).
pub const ANSWER_MILLISECONDS: u64 = 900;

impl Function {
    /// Lets the function issue no further request. What is under way goes on.
    pub fn stop_requests(&self) {
        header::update_command(&self.config, 0, header::COMMAND_BUS_MASTER);
    }

    /// Whether none of its requests is unanswered.
    pub fn is_drained(&self) -> bool {
        express::read(&self.config)
            .is_none_or(|express| !express.read_transactions_pending(&self.config))
    }

    /// Starts a reset of the function alone; whether it can do that.
    pub fn start_reset(&self) -> bool {
        let express = express::read(&self.config).filter(|express| express.function_level_reset);
        if let Some(express) = express {
            express.start_function_level_reset(&self.config);
        }
        express.is_some()
    }

    /// Whether it answers.
    pub fn answers(&self) -> bool {
        self.config.read16(header::COMMAND) != u16::MAX
    }

    /// Makes it, and what a guest sees of it, what they were before any guest had it. Its
    /// interrupts are taken away whatever it is now.
    ///
    /// # Errors
    /// It did not come back from its reset as it was, or the IOMMU does not answer.
    pub fn renew(&mut self) -> Result<(), Failure> {
        let blocked = self.iommu.clear_interrupts(&self.interrupts);
        let is_same = Identity::read(&self.config) == self.identity;
        let was_reset =
            !self.identity.has_function_level_reset() || identity::is_reset(&self.config);
        if !is_same || !was_reset || !self.is_drained() {
            return Err(Failure::FunctionChanged(self.address));
        }
        self.restore_bars()
            .map_err(|_| Failure::FunctionChanged(self.address))?;
        self.mask_messages();
        self.layout.reset(&mut self.page);
        blocked.map_err(|_| Failure::IommuSilent)
    }

    /// Stops the function's DMA, waits for what is under way, resets it and puts back what
    /// the guest does not own: the BARs' addresses and a silent message table. A function
    /// that cannot be reset alone keeps its state, with DMA off.
    ///
    /// `pause` lets milliseconds go by, as this core may: [`time::sleep`] or [`time::spin`].
    ///
    /// # Errors
    /// The IOMMU does not answer: interrupts may still pass. Or a BAR has lost its address.
    pub fn reset(&mut self, pause: fn(u64)) -> Result<(), DeviceError> {
        self.stop_requests();
        if self.identity.has_function_level_reset() {
            time::wait_for(PENDING_MILLISECONDS, || self.is_drained());
            self.start_reset();
            pause(RESET_MILLISECONDS);
            time::wait_for(ANSWER_MILLISECONDS, || self.answers());
        }
        self.settle()
    }

    /// Resets it because the guest says so. When the partition stops that is dropped: its cores
    /// may have waited here for one another, each with a reset of its own, and teardown, which
    /// waits for them all, resets the function anyway.
    pub(super) fn reset_by_guest(&mut self, partition: &Partition) -> Effect {
        if partition.runs() && self.reset(time::spin).is_err() {
            return Effect::Denied;
        }
        Effect::Done
    }

    /// Brings a virtual function that has just been enabled, and so is in its state after
    /// reset, to where [`Function::reset`] would leave it, without waiting for a reset.
    pub(super) fn settle(&mut self) -> Result<(), DeviceError> {
        self.stop_requests();
        self.restore_bars()?;
        self.mask_messages();
        Ok(self.iommu.clear_interrupts(&self.interrupts)?)
    }

    /// Puts the BARs' addresses back, and lets it answer there if it has taken them all.
    fn restore_bars(&self) -> Result<(), DeviceError> {
        // Interrupt pins are nobody's.
        let pins = header::COMMAND_INTERRUPT_DISABLE;
        header::update_command(&self.config, pins, header::COMMAND_MEMORY_SPACE);
        if self.own_bars {
            for bar in self.bars.iter().flatten() {
                bar::set_address(&self.config, bar, bar.address);
            }
        }
        if let Some(index) = self.displaced_bar() {
            let why = "has another size after a reset";
            return Err(DeviceError::Bar { index, why });
        }
        // Message tables are reached in memory space.
        header::update_command(&self.config, header::COMMAND_MEMORY_SPACE, 0);
        Ok(())
    }

    /// A BAR that is not where the guest has it: it would answer for another function's.
    pub(super) fn displaced_bar(&self) -> Option<u8> {
        let mut own = self.bars.iter().flatten().filter(|_| self.own_bars);
        own.find(|bar| !bar::has_address(&self.config, bar))
            .map(|bar| bar.index)
    }
}
