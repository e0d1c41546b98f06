//! The controller's registers (NVM Express over PCIe Transport Specification 1.0c, section
//! 3.1 "PCI Express Registers"; Base Specification 2.0c, section 3.1.3 "Controller
//! Properties").

use addr::{HostPhysical, Range};
use pci_config::Bar;

use super::StewardError;
use crate::cpu::time;
use crate::host::paging;
use crate::host::physical::Registers;

const CAPABILITIES: u64 = 0x00;
const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_QUEUE_ATTRIBUTES: u64 = 0x24;
const ADMIN_SUBMISSION_BASE: u64 = 0x28;
const ADMIN_COMPLETION_BASE: u64 = 0x30;
const DOORBELLS: u64 = 0x1000;

const ENABLE: u32 = 1 << 0;
/// I/O completion entries of 2^4, submission entries of 2^6 bytes.
const ENTRY_SIZES: u32 = (4 << 20) | (6 << 16);
const READY: u32 = 1 << 0;
/// CAP.TO counts in units of 500 ms.
const TIMEOUT_UNIT_MILLISECONDS: u64 = 500;
/// Registers and the admin queue's doorbells, whatever the doorbell stride is.
const MAPPED_BYTES: u64 = 0x2000;

/// A controller's register window.
#[derive(Debug, Clone, Copy)]
pub struct Controller(Registers);

impl Controller {
    /// Maps the registers that `bar` shows.
    pub fn map(bar: &Bar) -> Result<Self, StewardError> {
        if bar.kind == pci_config::BarKind::Io || bar.size < MAPPED_BYTES || bar.address == 0 {
            return Err(StewardError::NoRegisters);
        }
        let range = Range::new(HostPhysical::new(bar.address), MAPPED_BYTES);
        let range = range.ok_or(StewardError::NoRegisters)?;
        paging::map_device(range).map_err(|_| StewardError::NoRegisters)?;
        // SAFETY: an NVMe function's BAR 0, just mapped uncached. The controller's DMA is
        // kept to its admin queue by the IOMMU.
        Ok(Self(unsafe { Registers::new(range) }))
    }

    /// Stops the controller and waits until it has.
    pub fn disable(self) -> Result<(), StewardError> {
        self.0
            .write_u32(CONFIGURATION, self.0.read_u32(CONFIGURATION) & !ENABLE);
        self.wait_for_ready(0)
    }

    /// Starts the controller with admin queues of `entries` entries each.
    pub fn enable(
        self,
        entries: u32,
        submission: HostPhysical,
        completion: HostPhysical,
    ) -> Result<(), StewardError> {
        let last = entries.saturating_sub(1);
        self.0
            .write_u32(ADMIN_QUEUE_ATTRIBUTES, (last << 16) | last);
        self.0.write_u64(ADMIN_SUBMISSION_BASE, submission.as_u64());
        self.0.write_u64(ADMIN_COMPLETION_BASE, completion.as_u64());
        self.0.write_u32(CONFIGURATION, ENTRY_SIZES | ENABLE);
        self.wait_for_ready(READY)
    }

    fn wait_for_ready(self, ready: u32) -> Result<(), StewardError> {
        let units = (self.0.read_u64(CAPABILITIES) >> 24) & 0xff;
        let limit = units.max(1).saturating_mul(TIMEOUT_UNIT_MILLISECONDS);
        let reached = || self.0.read_u32(STATUS) & READY == ready;
        time::sleep_until(limit, reached)
            .then_some(())
            .ok_or(StewardError::NotReady)
    }

    /// Tells the controller that submission queue 0 has entries up to `tail`.
    pub fn ring_submission(self, tail: u32) {
        self.0.write_u32(DOORBELLS, tail);
    }

    /// Tells the controller that completions up to `head` have been read.
    pub fn ring_completion(self, head: u32) {
        let stride = (self.0.read_u64(CAPABILITIES) >> 32) & 0xf;
        self.0.write_u32(DOORBELLS.wrapping_add(4 << stride), head);
    }
}
