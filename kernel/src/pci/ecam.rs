//! Configuration space through the memory window of the MCFG table (PCI Express Base
//! Specification 6.0, section 7.2.2 "PCI Express Enhanced Configuration Access Mechanism").

use acpi::EcamRegion;
use addr::{Address, HostPhysical, Range, RequesterId};
use pci_config::ConfigSpace;

use crate::host::paging;
use crate::host::physical::Registers;

const FUNCTION_BYTES: u64 = 4096;
const DEVICE_BYTES: u64 = 8 * FUNCTION_BYTES;
const BUS_BYTES: u64 = 1 << 20;

/// The window onto the configuration space of segment 0.
#[derive(Debug, Clone, Copy)]
pub struct Ecam {
    registers: Registers,
    first_bus: u8,
    last_bus: u8,
}

impl Ecam {
    /// Maps the window of segment 0; `None` if the firmware describes none that can be.
    pub fn map(regions: &[EcamRegion]) -> Option<Self> {
        let region = regions.iter().find(|region| region.segment == 0)?;
        let range = Self::range(region)?;
        paging::map_device(range).ok()?;
        // SAFETY: the firmware says that this is configuration space, and it is mapped,
        // uncached. A function's DMA is behind the IOMMU before it is ever switched on.
        let registers = unsafe { Registers::new(range) };
        Some(Self {
            registers,
            first_bus: region.first_bus,
            last_bus: region.last_bus,
        })
    }

    /// The memory of a window.
    pub fn range(region: &EcamRegion) -> Option<Range<HostPhysical>> {
        let offset = u64::from(region.first_bus).checked_mul(BUS_BYTES)?;
        let buses = u64::from(region.last_bus.checked_sub(region.first_bus)?).checked_add(1)?;
        let start = region.base.checked_add(offset)?;
        Range::new(start, buses.checked_mul(BUS_BYTES)?)
    }

    /// The configuration space of the function at `address`.
    pub fn function(&self, address: RequesterId) -> EcamFunction {
        let bus = address
            .bus()
            .checked_sub(self.first_bus)
            .filter(|_| self.shows(address));
        let bus_offset = bus.map(|bus| u64::from(bus).wrapping_mul(BUS_BYTES));
        let function = u64::from(address.device_function()).wrapping_mul(FUNCTION_BYTES);
        // An offset outside the window reads as an absent function.
        let offset = bus_offset.map_or(u64::MAX, |bus| bus.wrapping_add(function));
        EcamFunction {
            registers: self.registers,
            offset,
        }
    }

    /// Whether function 0 of a device answers: its vendor ID is not all ones.
    pub fn has_device(&self, bus: u8, device: u8) -> bool {
        let bus = u64::from(bus.wrapping_sub(self.first_bus)).wrapping_mul(BUS_BYTES);
        let device = u64::from(device).wrapping_mul(DEVICE_BYTES);
        self.registers.read_u16(bus.wrapping_add(device)) != u16::MAX
    }

    /// The buses that the window shows.
    pub fn buses(&self) -> impl Iterator<Item = u8> + use<> {
        self.first_bus..=self.last_bus
    }

    fn shows(&self, address: RequesterId) -> bool {
        (self.first_bus..=self.last_bus).contains(&address.bus())
    }
}

/// One function's configuration space.
#[derive(Debug, Clone, Copy)]
pub struct EcamFunction {
    registers: Registers,
    offset: u64,
}

impl EcamFunction {
    fn at(&self, register: u16) -> u64 {
        let inside = u64::from(register) < FUNCTION_BYTES;
        inside
            .then(|| self.offset.checked_add(register.into()))
            .flatten()
            .unwrap_or(u64::MAX)
    }
}

impl ConfigSpace for EcamFunction {
    fn read8(&self, offset: u16) -> u8 {
        self.registers.read_u8(self.at(offset))
    }
    fn read16(&self, offset: u16) -> u16 {
        self.registers.read_u16(self.at(offset))
    }
    fn read32(&self, offset: u16) -> u32 {
        self.registers.read_u32(self.at(offset))
    }
    fn write8(&self, offset: u16, value: u8) {
        self.registers.write_u8(self.at(offset), value);
    }
    fn write16(&self, offset: u16, value: u16) {
        self.registers.write_u16(self.at(offset), value);
    }
    fn write32(&self, offset: u16, value: u32) {
        self.registers.write_u32(self.at(offset), value);
    }
}
