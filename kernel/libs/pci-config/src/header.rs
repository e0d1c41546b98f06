//! The first 64 bytes of configuration space (PCI Express Base Specification 5.0,
//! section 7.5.1 "PCI-Compatible Configuration Registers").

use crate::ConfigSpace;

/// Vendor ID, 16 bits; all ones where no function answers.
pub const VENDOR_ID: u16 = 0x00;
/// Command register, 16 bits.
pub const COMMAND: u16 = 0x04;
/// Status register, 16 bits.
pub const STATUS: u16 = 0x06;
/// Revision ID, 8 bits; the class code follows in the three bytes after it.
pub const REVISION_ID: u16 = 0x08;
/// Cache Line Size, 8 bits.
pub const CACHE_LINE_SIZE: u16 = 0x0c;
/// Header Type, 8 bits.
pub const HEADER_TYPE: u16 = 0x0e;
/// The first base address register, 32 bits.
pub const BASE_ADDRESS_0: u16 = 0x10;
/// Subsystem Vendor ID, 16 bits (type 0); the subsystem ID follows.
pub const SUBSYSTEM_VENDOR_ID: u16 = 0x2c;
/// Capabilities Pointer, 8 bits.
pub const CAPABILITIES_POINTER: u16 = 0x34;
/// Interrupt Line, 8 bits; Interrupt Pin is the byte after it.
pub const INTERRUPT_LINE: u16 = 0x3c;

/// Command: the function answers in I/O space.
pub const COMMAND_IO_SPACE: u16 = 1 << 0;
/// Command: the function answers in memory space.
pub const COMMAND_MEMORY_SPACE: u16 = 1 << 1;
/// Command: the function may issue memory requests, which includes MSIs.
pub const COMMAND_BUS_MASTER: u16 = 1 << 2;
/// Command: the function may not assert INTx.
pub const COMMAND_INTERRUPT_DISABLE: u16 = 1 << 10;
/// Status: there is a capability list.
pub const STATUS_CAPABILITIES_LIST: u16 = 1 << 4;

const VENDOR_ABSENT: u16 = 0xffff;
const HEADER_TYPE_MULTI_FUNCTION: u8 = 1 << 7;

/// The layout of the rest of the header; a newtype, since hardware chooses the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderType(pub u8);

impl HeaderType {
    /// An endpoint, with six base address registers.
    pub const ENDPOINT: Self = Self(0);
    /// A PCI-to-PCI bridge, which root ports and switch ports are.
    pub const BRIDGE: Self = Self(1);
}

/// Class code: base class, sub-class and programming interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Base class, such as 1 for mass storage.
    pub base: u8,
    /// Sub-class, such as 8 for non-volatile memory.
    pub sub: u8,
    /// Programming interface, such as 2 for NVM Express.
    pub interface: u8,
}

impl Class {
    /// An NVM Express I/O controller.
    pub const NVM_EXPRESS: Self = Self {
        base: 1,
        sub: 8,
        interface: 2,
    };
}

/// What the header says about every function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Vendor ID.
    pub vendor: u16,
    /// Class code.
    pub class: Class,
    /// Layout of the rest of the header.
    pub header_type: HeaderType,
    /// Whether the device has functions other than 0. ARI devices leave it clear.
    pub multi_function: bool,
}

/// Reads the header; `None` where no function answers.
#[must_use]
pub fn read(config: &impl ConfigSpace) -> Option<Header> {
    let vendor = config.read16(VENDOR_ID);
    // A VF's own vendor and device ID read all ones as well (section 9.3.4.1.1): a VF is
    // found through its PF's SR-IOV capability, never by a scan.
    if vendor == VENDOR_ABSENT {
        return None;
    }
    let [_, interface, sub, base] = config.read32(REVISION_ID).to_le_bytes();
    let header_type = config.read8(HEADER_TYPE);
    Some(Header {
        vendor,
        class: Class {
            base,
            sub,
            interface,
        },
        header_type: HeaderType(header_type & !HEADER_TYPE_MULTI_FUNCTION),
        multi_function: header_type & HEADER_TYPE_MULTI_FUNCTION != 0,
    })
}

/// Sets and clears bits of the command register; a bit in both is set.
pub fn update_command(config: &impl ConfigSpace, set: u16, clear: u16) {
    let command = config.read16(COMMAND);
    config.write16(COMMAND, (command & !clear) | set);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{self, FakeConfigSpace};

    #[test]
    fn an_nvme_controller_is_recognised() {
        let header = read(&fake::physical_function()).unwrap();
        assert_eq!(header.vendor, 0x1b36);
        assert_eq!(header.class, Class::NVM_EXPRESS);
        assert_eq!(header.header_type, HeaderType::ENDPOINT);
        assert!(!header.multi_function);
    }

    #[test]
    fn nothing_answers_where_the_vendor_reads_all_ones() {
        assert_eq!(read(&FakeConfigSpace::absent()), None);
    }

    #[test]
    fn the_command_register_keeps_the_other_bits() {
        let config = fake::physical_function();
        update_command(&config, COMMAND_MEMORY_SPACE | COMMAND_INTERRUPT_DISABLE, 0);
        update_command(&config, COMMAND_BUS_MASTER, COMMAND_MEMORY_SPACE);
        assert_eq!(
            config.read16(COMMAND),
            COMMAND_BUS_MASTER | COMMAND_INTERRUPT_DISABLE
        );
    }
}
