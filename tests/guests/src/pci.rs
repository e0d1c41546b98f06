//! Configuration space, by ECAM and by ports (PCI Local Bus Specification 3.0, chapter 6; PCI
//! Express Base Specification 6.0, section 7.2; PCI Firmware Specification 3.3, section 4.1.2
//! "MCFG Table Description").

use crate::acpi;
use crate::instruction::{in32, out32};
use crate::memory::Region;

/// Where the MCFG table has the first segment's ECAM.
const ECAM_OFFSET: u64 = 44;
/// The bytes of a function's configuration space.
const FUNCTION_BYTES: u64 = 4096;
/// The functions of a bus.
pub const FUNCTIONS: u64 = 256;

const COMMAND: u64 = 0x04;
const MEMORY_AND_BUS_MASTER: u16 = 0b110;
const BAR_0: u64 = 0x10;
const CAPABILITIES: u64 = 0x34;
/// A 64-bit memory BAR.
const BAR_64_BIT: u32 = 0b100;

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;
const CONFIG_ENABLE: u32 = 1 << 31;

/// One function.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    config: Region,
    number: u64,
}

impl Function {
    /// The function with this number (bus in bits 15:8, device in bits 7:3), if it is present.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        let function = Self::absent_or_not(number)?;
        (function.read::<u32>(0) != u32::MAX).then_some(function)
    }

    /// The function with this number, present or not.
    #[must_use]
    pub fn absent_or_not(number: u64) -> Option<Self> {
        let offset = number.checked_mul(FUNCTION_BYTES)?;
        let config = Region::new(ecam()?.checked_add(offset)?, FUNCTION_BYTES)?;
        Some(Self { config, number })
    }

    /// The partition's first function, at 00:01.0.
    #[must_use]
    pub fn first() -> Option<Self> {
        Self::new(1 << 3)
    }

    /// The function's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Reads its configuration space.
    #[must_use]
    pub fn read<T: crate::memory::Unit + From<u8> + core::ops::Not<Output = T>>(
        &self,
        offset: u64,
    ) -> T {
        self.config.read(offset)
    }

    /// Writes its configuration space.
    pub fn write<T: crate::memory::Unit>(&self, offset: u64, value: T) {
        self.config.write(offset, value);
    }

    /// Lets the function answer in memory and read and write memory.
    pub fn enable(&self) {
        let command = self.read::<u16>(COMMAND);
        self.write(COMMAND, command | MEMORY_AND_BUS_MASTER);
    }

    /// The address in a memory BAR.
    #[must_use]
    pub fn bar(&self, index: u64) -> u64 {
        let offset = index.wrapping_mul(4).wrapping_add(BAR_0);
        let low = self.read::<u32>(offset);
        let high = match low & BAR_64_BIT {
            0 => 0,
            _ => self.read::<u32>(offset.wrapping_add(4)),
        };
        u64::from(high) << 32 | u64::from(low & !0xf)
    }

    /// The offset of the capability with this ID.
    #[must_use]
    pub fn capability(&self, id: u8) -> Option<u64> {
        let mut offset = u64::from(self.read::<u8>(CAPABILITIES) & !3);
        // There is no room for more than 48 capabilities, so a longer list is a loop.
        for _ in 0..48 {
            if offset == 0 {
                return None;
            }
            if self.read::<u8>(offset) == id {
                return Some(offset);
            }
            offset = u64::from(self.read::<u8>(offset.wrapping_add(1)) & !3);
        }
        None
    }
}

/// Where configuration space is.
#[must_use]
pub fn ecam() -> Option<u64> {
    let table = acpi::find_table(*b"MCFG")?;
    Some(acpi::number(&table, ECAM_OFFSET))
}

/// All functions of bus 0 that are present.
pub fn functions() -> impl Iterator<Item = Function> {
    (0..FUNCTIONS).filter_map(Function::new)
}

/// Reads a doubleword of a configuration space by the ports.
#[must_use]
pub fn read_by_ports(bus: u8, function: u8, offset: u8) -> u32 {
    let address = u32::from(bus) << 16 | u32::from(function) << 8 | u32::from(offset & !3);
    out32(CONFIG_ADDRESS, CONFIG_ENABLE | address);
    in32(CONFIG_DATA)
}
