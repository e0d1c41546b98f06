//! A configuration space in memory with the content of QEMU's NVMe controller.

use core::cell::{Cell, RefCell};

use crate::ConfigSpace;
use crate::header::{COMMAND, COMMAND_IO_SPACE, COMMAND_MEMORY_SPACE};

/// Registers that can be written in full, except those that were defined with a mask.
pub struct FakeConfigSpace {
    bytes: RefCell<[u8; 4096]>,
    /// Offset and writable bits of the registers that behave like BARs.
    masks: RefCell<[(u16, u32); 16]>,
    violated: Cell<bool>,
}

impl FakeConfigSpace {
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let bytes = RefCell::new(bytes.try_into().unwrap());
        Self {
            bytes,
            masks: RefCell::new([(0, 0); 16]),
            violated: Cell::new(false),
        }
    }

    pub fn absent() -> Self {
        Self::from_bytes(&[0xff; 4096])
    }

    pub fn set16(&self, offset: u16, value: u16) {
        let at = usize::from(offset);
        self.bytes.borrow_mut()[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set32(&self, offset: u16, value: u32) {
        let at = usize::from(offset);
        self.bytes.borrow_mut()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// A register of which only the bits in `mask` can be written.
    pub fn define(&self, offset: u16, value: u32, mask: u32) {
        self.set32(offset, value);
        let mut masks = self.masks.borrow_mut();
        *masks
            .iter_mut()
            .find(|(at, _)| *at == 0 || *at == offset)
            .unwrap() = (offset, mask);
    }

    pub fn bar_was_written_while_decoding(&self) -> bool {
        self.violated.get()
    }
}

impl ConfigSpace for FakeConfigSpace {
    fn read8(&self, offset: u16) -> u8 {
        self.bytes.borrow()[usize::from(offset)]
    }

    fn read16(&self, offset: u16) -> u16 {
        u16::from_le_bytes([self.read8(offset), self.read8(offset + 1)])
    }

    fn read32(&self, offset: u16) -> u32 {
        u32::from(self.read16(offset)) | (u32::from(self.read16(offset + 2)) << 16)
    }

    fn write8(&self, offset: u16, value: u8) {
        self.bytes.borrow_mut()[usize::from(offset)] = value;
    }

    fn write16(&self, offset: u16, value: u16) {
        self.set16(offset, value);
    }

    fn write32(&self, offset: u16, value: u32) {
        if (0x10..0x28).contains(&offset)
            && self.read16(COMMAND) & (COMMAND_IO_SPACE | COMMAND_MEMORY_SPACE) != 0
        {
            self.violated.set(true);
        }
        let mask = self
            .masks
            .borrow()
            .iter()
            .find(|(at, _)| *at == offset)
            .map(|(_, mask)| *mask);
        // BARs that were not defined read zero, whatever is written.
        let bars = (0x10..0x28).contains(&offset) || (0x144..0x15c).contains(&offset);
        let mask = mask.unwrap_or(if bars { 0 } else { u32::MAX });
        self.set32(offset, (self.read32(offset) & !mask) | (value & mask));
    }
}

/// The PF: MSI-X at 0x40, PCI Express at 0x80, power management at 0x60; ARI and SR-IOV.
pub fn physical_function() -> FakeConfigSpace {
    let config = FakeConfigSpace::from_bytes(&[0; 4096]);
    config.set32(0x00, 0x0010_1b36);
    config.set32(0x04, 0x0010_0000);
    config.set32(0x08, 0x0108_0202);
    config.define(0x10, 0xfe80_0004, 0xffff_c000);
    config.define(0x14, 0, 0xffff_ffff);
    config.set32(0x34, 0x40);
    config.set32(0x40, 0x0010_8011);
    config.set32(0x44, 0x2000);
    config.set32(0x48, 0x3000);
    config.set32(0x60, 0x0003_0001);
    config.set32(0x80, 0x0002_6010);
    config.set32(0x84, 0x1000_8000);
    config.set32(0x100, 0x1201_000e);
    config.set32(0x120, 0x0001_0010);
    config.set32(0x12c, 0x0004_0004);
    config.set32(0x134, 0x0001_0001);
    config.set32(0x138, 0x0010_0000);
    config.set32(0x13c, 0x553);
    config.define(0x144, 0x4, 0xffff_c000);
    config.define(0x148, 0, 0xffff_ffff);
    config
}

/// A root port with bus 2 behind it.
pub fn root_port() -> FakeConfigSpace {
    let config = FakeConfigSpace::from_bytes(&[0; 4096]);
    config.set32(0x00, 0x000c_1b36);
    config.set32(0x04, 0x0010_0000);
    config.set32(0x08, 0x0604_0000);
    config.set32(0x0c, 0x0001_0000);
    config.set32(0x18, 0x0002_0200);
    config.set32(0x20, 0xfe90_fe80);
    config.set32(0x24, 0x0ff1_0001);
    config.set32(0x28, 8);
    config.set32(0x2c, 8);
    config.set32(0x34, 0x80);
    config.set32(0x80, 0x0142_0010);
    config.set32(0x80 + 0x24, 0x20);
    config
}
