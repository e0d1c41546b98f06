//! Switching on the virtual functions that the plan names (PCI Express Base Specification
//! 6.0, chapter 9 "Single Root I/O Virtualization and Sharing").

extern crate alloc;
use alloc::vec::Vec;

use addr::{HostPhysical, Range, RequesterId};
use pci_config::bar::{self, Bar, Bars};
use pci_config::header::HeaderType;
use pci_config::single_root_io::{self, SingleRootIo, SingleRootIoError};
use pci_config::window::Allocator;
use pci_config::{ConfigSpace, bridge, express, header};
use thiserror::Error;

use super::ecam::EcamFunction;
use super::inventory::Inventory;
use crate::cpu::time;

/// Section 9.3.3.3.1 "VF Enable": no virtual function may be touched for this long after it
/// is set.
const READY_MILLISECONDS: u64 = 100;
/// The same section: nor may the capability be changed for this long after it is cleared.
const GONE_MILLISECONDS: u64 = 1000;

/// Why a physical function's virtual functions are not there.
#[derive(Debug, Error)]
pub enum EnableError {
    /// The function has no SR-IOV capability.
    #[error("it has no SR-IOV capability")]
    NotCapable,
    /// The function is on a root bus: there is no window to place BARs in.
    #[error("it is on a root bus, without a bridge above")]
    NoBridge,
    /// The bridge above opens no memory window, or one above 4 GiB only.
    #[error("the bridge above has no memory window below 4 GiB")]
    NoWindow,
    /// The window has no room for these bytes.
    #[error("the bridge's window has no room for VF BARs of {0:#x} bytes")]
    WindowFull(u64),
    /// A virtual function would be on a bus that the bridge does not lead to, or have a requester
    /// ID that is not its own.
    #[error("its VF {0} would be where another function may be, or the bridge above does not lead")]
    Misplaced(RequesterId),
    /// The capability refused.
    #[error("the SR-IOV capability refused: {0:?}")]
    Refused(SingleRootIoError),
    /// The virtual function did not appear in time.
    #[error("VF {0} did not appear")]
    Absent(RequesterId),
}

/// A physical function whose virtual functions can be switched on.
pub struct PhysicalFunction {
    /// Its requester ID.
    pub address: RequesterId,
    /// Its configuration space.
    pub config: EcamFunction,
    /// Its SR-IOV capability, read when the hierarchy's ARI setting was final.
    pub capability: SingleRootIo,
    /// One VF's BARs; the addresses are VF 1's.
    pub bars: Bars,
    number: u16,
}

impl PhysicalFunction {
    /// Places the BARs of `number` virtual functions and sets everything but VF Enable.
    ///
    /// # Errors
    /// Says what the function, or the bridge above it, cannot do.
    pub fn prepare(
        inventory: &Inventory,
        address: RequesterId,
        number: u16,
        taken: &mut Vec<Range<HostPhysical>>,
    ) -> Result<Self, EnableError> {
        let config = inventory.config(address).ok_or(EnableError::NotCapable)?;
        let capability = single_root_io::read(&config).ok_or(EnableError::NotCapable)?;
        let above = inventory
            .bridge_above(address.bus())
            .ok_or(EnableError::NoBridge)?;
        if capability.read_enabled(&config) {
            // Firmware or an earlier owner left them on.
            capability.disable(&config);
            time::sleep(GONE_MILLISECONDS);
        }
        capability
            .set_up(&config, number)
            .map_err(EnableError::Refused)?;
        let forwards = express::read(&above).is_some_and(|port| port.enable_ari_forwarding(&above));
        if forwards {
            capability.set_ari_hierarchy(&config);
        }
        // Offset and stride may depend on what was just set.
        let capability = single_root_io::read(&config).ok_or(EnableError::NotCapable)?;
        capability
            .virtual_function(address, number)
            .ok_or(EnableError::NotCapable)?;
        let behind = bridge::buses(&above).behind();
        let behind = behind.ok_or(EnableError::NoBridge)?;
        let is_taken = |id: RequesterId| {
            let is_own_bus = id.bus() == address.bus();
            inventory.header(id).is_some()
                || !is_own_bus && inventory.bridge_above(id.bus()).is_some()
        };
        if let Some(id) = capability.misplaced(address, number, &behind, is_taken) {
            return Err(EnableError::Misplaced(id));
        }
        let mut bars = capability.size_bars(&config);
        let mut allocator = allocator(inventory, &above, address.bus(), taken)?;
        for bar in bars.iter_mut().flatten() {
            let bytes = bar.size.checked_mul(number.into());
            let bytes = bytes.ok_or(EnableError::WindowFull(u64::MAX))?;
            let place = allocator.place(bytes, bar.size.max(4096));
            let place = place.ok_or(EnableError::WindowFull(bytes))?;
            taken.push(place);
            bar.address = place.start().as_u64();
            capability.set_bar_address(&config, bar, bar.address);
        }
        Ok(Self {
            address,
            config,
            capability,
            bars,
            number,
        })
    }

    /// Switches the virtual functions on and waits until the last one answers.
    ///
    /// # Errors
    /// It does not answer in time.
    pub fn enable(&self, inventory: &Inventory) -> Result<(), EnableError> {
        self.capability.enable(&self.config);
        time::sleep(READY_MILLISECONDS);
        let last = self
            .virtual_function(self.number)
            .ok_or(EnableError::NotCapable)?;
        let config = inventory.config(last).ok_or(EnableError::NotCapable)?;
        // A VF's vendor ID reads all ones by definition; its command register does not.
        let there = || config.read16(header::COMMAND) != u16::MAX;
        time::wait_for(READY_MILLISECONDS, there)
            .then_some(())
            .ok_or(EnableError::Absent(last))
    }

    /// The requester ID of virtual function `number`, counted from 1.
    pub fn virtual_function(&self, number: u16) -> Option<RequesterId> {
        self.capability.virtual_function(self.address, number)
    }

    /// The BARs of virtual function `number`, counted from 1.
    pub fn bars_of(&self, number: u16) -> Bars {
        let index = u64::from(number.saturating_sub(1));
        self.bars.map(|bar| {
            let bar = bar?;
            let address = bar.size.checked_mul(index)?.checked_add(bar.address)?;
            Some(Bar { address, ..bar })
        })
    }
}

/// The bridge's window without what the functions behind it use already: their own BARs, the
/// windows of bridges among them, and the VF BARs that were placed before.
fn allocator(
    inventory: &Inventory,
    above: &EcamFunction,
    bus: u8,
    taken: &[Range<HostPhysical>],
) -> Result<Allocator<HostPhysical>, EnableError> {
    let window = bridge::memory_window(above).ok_or(EnableError::NoWindow)?;
    let mut allocator = Allocator::new(window);
    let neighbours = inventory.functions().filter(|address| address.bus() == bus);
    let used = neighbours.flat_map(|address| used_by(inventory, address));
    for range in used.chain(taken.iter().copied()) {
        allocator.reserve(range);
    }
    Ok(allocator)
}

/// The memory that a function answers to: its BARs and, for a bridge, its windows.
fn used_by(inventory: &Inventory, address: RequesterId) -> Vec<Range<HostPhysical>> {
    let Some(config) = inventory.config(address) else {
        return Vec::new();
    };
    let bars = bar::size_bars(&config);
    let bars = bars.iter().flatten();
    let bars = bars.filter_map(|bar| Range::new(HostPhysical::new(bar.address), bar.size));
    let is_bridge = inventory
        .header(address)
        .is_some_and(|header| header.header_type == HeaderType::BRIDGE);
    let windows = [
        bridge::memory_window(&config),
        bridge::prefetchable_window(&config),
    ];
    let windows = windows.into_iter().flatten().filter(|_| is_bridge);
    bars.chain(windows).collect()
}
