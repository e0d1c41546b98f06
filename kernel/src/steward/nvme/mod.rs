//! The NVMe steward: gives each virtual function its queues, interrupts and namespace.
//!
//! Order of use: [`Steward::start`] (the controller runs, its admin queue is all that it can
//! reach by DMA), [`Steward::take_namespaces`], [`Steward::assign`] for each virtual function, then SR-IOV's VF Enable by
//! the caller, [`Steward::online`] for each, and dropping it. The physical controller
//! stays enabled, for its reset would take the virtual ones offline, but it can reach no
//! memory any more and nobody talks to it.
//!
//! Source: NVM Express Base Specification 2.0c, sections 3.5.1 "Memory-based Controller
//! Initialization (PCIe)", 5.17 "Identify", 5.20 "Namespace Attachment", 5.28
//! "Virtualization Management", 8.26 "Virtualization Enhancements".

mod admin_queue;
mod command;
mod controller;

extern crate alloc;
use alloc::vec::Vec;

use addr::{HostPhysical, Range, RequesterId};
use pci_config::{Bar, header};
use thiserror::Error;

use crate::host::paging;
use crate::iommu::Iommu;
use crate::log;
use crate::pci::ecam::EcamFunction;
use admin_queue::AdminQueue;
use command::{Command, Resource};
use controller::Controller;

/// Why a controller could not be provisioned.
#[derive(Debug, Error)]
pub enum StewardError {
    /// The function has no memory BAR 0.
    #[error("the NVMe function has no registers in BAR 0")]
    NoRegisters,
    /// No frame is left for the admin queue.
    #[error("no memory is left for its admin queue")]
    OutOfFrames,
    /// The IOMMU cannot give the controller its admin queue.
    #[error("the IOMMU refused its admin queue")]
    Iommu,
    /// The controller did not become ready, or not idle, in its own time limit.
    #[error("the NVMe controller does not become ready")]
    NotReady,
    /// The controller has no Virtualization Management or Namespace Attachment command.
    #[error("the NVMe controller has no Virtualization Management or Namespace Attachment")]
    NotCapable,
    /// There is no secondary controller for this virtual function.
    #[error("the NVMe controller has no secondary controller for VF {0}")]
    NoSecondary(u16),
    /// A command was not answered in time.
    #[error("the NVMe command {0} was not answered")]
    Silent(&'static str),
    /// A command failed with this status field (section 3.3.3.2.1, Figure 93).
    #[error("the NVMe command {0} failed with status {1:#x}")]
    Failed(&'static str, u16),
}

/// A physical NVMe controller under provisioning.
pub struct Steward<'a> {
    address: RequesterId,
    config: EcamFunction,
    queue: AdminQueue,
    /// The second-stage table by which the controller reaches the queue.
    table: Range<HostPhysical>,
    iommu: &'a Iommu,
}

impl<'a> Steward<'a> {
    /// Resets the controller at `address` and starts it with an admin queue of our own.
    ///
    /// # Errors
    /// [`StewardError`] says what the controller, or the machine, cannot do.
    pub fn start(
        address: RequesterId,
        config: EcamFunction,
        registers: Option<&Bar>,
        iommu: &'a Iommu,
    ) -> Result<Self, StewardError> {
        let controller = Controller::map(registers.ok_or(StewardError::NoRegisters)?)?;
        let queue = AdminQueue::new(controller)?;
        let table = iommu
            .grant(address, queue.memory())
            .map_err(|_| StewardError::Iommu)?;
        let on = header::COMMAND_MEMORY_SPACE | header::COMMAND_BUS_MASTER;
        header::update_command(&config, on | header::COMMAND_INTERRUPT_DISABLE, 0);
        let mut steward = Self {
            address,
            config,
            queue,
            table,
            iommu,
        };
        steward.queue.start()?;
        steward.check_capable()?;
        Ok(steward)
    }

    /// Detaches the namespaces of `wanted` from every controller, and every other namespace
    /// from the virtual functions of `wanted`: attachments outlive a reset.
    ///
    /// # Errors
    /// The controller refuses.
    pub fn take_namespaces(&mut self, wanted: &[(u16, Option<u32>)]) -> Result<(), StewardError> {
        let mut controllers = Vec::new();
        for (number, _) in wanted {
            controllers.push(self.secondary(*number)?);
        }
        for namespace in self.namespaces()? {
            let is_wanted = wanted.iter().any(|(_, named)| *named == Some(namespace));
            let mut attached = self.attached_controllers(namespace)?;
            attached.retain(|controller| is_wanted || controllers.contains(controller));
            for controller in attached {
                self.queue.set_controller_list(controller)?;
                self.queue.submit(Command::detach(namespace))?;
            }
        }
        Ok(())
    }

    /// The first 1,024 namespaces that exist.
    fn namespaces(&mut self) -> Result<Vec<u32>, StewardError> {
        self.queue.submit(Command::IDENTIFY_NAMESPACES)?;
        let word = |index: usize| {
            let offset = index.saturating_mul(4);
            let low = u32::from(self.queue.data_u16(offset));
            low | (u32::from(self.queue.data_u16(offset.saturating_add(2))) << 16)
        };
        Ok((0..1024)
            .map(word)
            .take_while(|number| *number != 0)
            .collect())
    }

    /// The controllers that `namespace` is attached to.
    fn attached_controllers(&mut self, namespace: u32) -> Result<Vec<u16>, StewardError> {
        self.queue
            .submit(Command::identify_attached_controllers(namespace))?;
        let count = usize::from(self.queue.data_u16(0)).min(command::CONTROLLER_LIST_ENTRIES);
        let entry = |index: usize| {
            let offset = index.saturating_mul(2).saturating_add(2);
            self.queue.data_u16(offset)
        };
        Ok((0..count).map(entry).collect())
    }

    /// Gives virtual function `number` its share of queues and interrupts; before VF Enable.
    ///
    /// # Errors
    /// The controller refuses.
    pub fn assign(&mut self, number: u16) -> Result<(), StewardError> {
        let controller = self.secondary(number)?;
        self.queue.submit(Command::IDENTIFY_PRIMARY_CAPABILITIES)?;
        for resource in Resource::ALL {
            let share = self.queue.data_u16(resource.maximum_offset);
            self.queue
                .submit(Command::assign(controller, resource, share))?;
        }
        Ok(())
    }

    /// Brings virtual function `number` online, with `namespace` attached to it; after VF
    /// Enable.
    ///
    /// # Errors
    /// The controller refuses.
    pub fn online(&mut self, number: u16, namespace: Option<u32>) -> Result<(), StewardError> {
        let controller = self.secondary(number)?;
        self.queue.submit(Command::online(controller))?;
        if let Some(namespace) = namespace {
            self.queue.set_controller_list(controller)?;
            self.queue.submit(Command::attach(namespace))?;
        }
        Ok(())
    }

    fn check_capable(&mut self) -> Result<(), StewardError> {
        self.queue.submit(Command::IDENTIFY_CONTROLLER)?;
        let optional_commands = self.queue.data_u16(command::OPTIONAL_ADMIN_COMMANDS_OFFSET);
        let required = command::OPTIONAL_NAMESPACE_MANAGEMENT | command::OPTIONAL_VIRTUALIZATION;
        (optional_commands & required == required)
            .then_some(())
            .ok_or(StewardError::NotCapable)
    }

    /// The identifier of the secondary controller that is virtual function `number`.
    fn secondary(&mut self, number: u16) -> Result<u16, StewardError> {
        self.queue.submit(Command::IDENTIFY_SECONDARY_CONTROLLERS)?;
        let count = usize::from(self.queue.data_u16(0) & 0xff);
        // An entry has 32 bytes (Figure 289): the controller's identifier at 0, and at 8 the
        // virtual function's number. The first stands behind the count.
        let mut entries = (0..count).map(|index| index.saturating_mul(32).saturating_add(32));
        let entry = entries.find(|entry| self.queue.data_u16(entry.saturating_add(8)) == number);
        Ok(self
            .queue
            .data_u16(entry.ok_or(StewardError::NoSecondary(number))?))
    }
}

impl Drop for Steward<'_> {
    /// Takes the controller's DMA away for good, however the provisioning ended, and the queue and
    /// its second-stage table out of the address space.
    fn drop(&mut self) {
        header::update_command(&self.config, 0, header::COMMAND_BUS_MASTER);
        if let Err(why) = self.iommu.revoke(self.address) {
            log!("NVMe controller {}: {why}", self.address);
        }
        for memory in [self.queue.memory(), self.table] {
            if let Err(why) = paging::unmap(memory) {
                log!(
                    "NVMe controller {}: its queue stays mapped: {why}",
                    self.address
                );
            }
        }
    }
}
