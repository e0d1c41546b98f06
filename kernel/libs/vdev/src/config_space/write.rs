//! A guest's writes.

use pci_config::bar::Bar;
use pci_config::{express, header, msix};

use super::build::{bar_offset, msi_length};
use super::{DEVICE_CONTROL_BITS, Effect, Image, Layout, Msi};

const COMMAND_BITS: u32 = (header::COMMAND_MEMORY_SPACE
    | header::COMMAND_BUS_MASTER
    | header::COMMAND_INTERRUPT_DISABLE) as u32;
const MSIX_CONTROL_BITS: u32 = ((msix::CONTROL_ENABLE | msix::CONTROL_FUNCTION_MASK) as u32) << 16;
const MSI_ENABLE: u32 = 1 << 16;
/// MSI Message Control: the address has 64 bits.
pub(super) const MSI_64_BIT: u32 = 1 << 23;
/// MSI Message Control: each vector has a mask bit.
pub(super) const MSI_MASKING: u32 = 1 << 24;
const POWER_STATE: u32 = 0b11;

/// A write, as bits of the dword that it lies in.
#[derive(Clone, Copy)]
struct Write {
    /// The dword's offset.
    dword: u16,
    /// The bits that are written.
    mask: u32,
    /// Their values, 0 elsewhere.
    value: u32,
}

impl Write {
    /// `None` for sizes other than 1, 2 and 4 bytes, and for what is not aligned or outside.
    fn new(offset: u16, bytes: u8, value: u32) -> Option<Self> {
        let width = match bytes {
            1 => 0xff,
            2 if offset & 0b1 == 0 => 0xffff,
            4 if offset & 0b11 == 0 => u32::MAX,
            _ => return None,
        };
        let shift = u32::from(offset & 0b11).wrapping_mul(8);
        let dword = offset & !0b11;
        let mask = u32::wrapping_shl(width, shift);
        (usize::from(offset) < super::BYTES).then_some(Self {
            dword,
            mask,
            value: value.wrapping_shl(shift) & mask,
        })
    }

    /// The dword with the written ones of the bits `writable` in place; `None` if the write
    /// touches none of them.
    fn merge(self, image: &impl Image, writable: u32) -> Option<u32> {
        let changed = self.mask & writable;
        let old = image.read32(self.dword);
        (changed != 0).then_some(old & !changed | self.value & changed)
    }
}

impl Layout {
    /// Carries out the guest's write of the low `bytes` bytes (1, 2 or 4) of `value` at
    /// `offset`: changes `image`, and says what the physical function needs.
    pub fn write(&self, image: &mut impl Image, offset: u16, bytes: u8, value: u32) -> Effect {
        let Some(write) = Write::new(offset, bytes, value) else {
            return Effect::None;
        };
        let effect = match write.dword {
            header::COMMAND => command(image, write),
            0x10..0x28 => self.base_address(image, write),
            // Cache Line Size and Interrupt Line mean nothing, but can be written.
            header::CACHE_LINE_SIZE | header::INTERRUPT_LINE => {
                store(image, write, 0xff).map(|_| Effect::ImageOnly)
            }
            _ => self.capability(image, write),
        };
        effect.unwrap_or(Effect::None)
    }

    /// Puts the image into its state after a reset of the function. The BARs keep their
    /// addresses, and so does what firmware chose in Device Control.
    pub fn reset(&self, image: &mut impl Image) {
        let mut clear = |dword: u16, bits: u32| image.write32(dword, image.read32(dword) & !bits);
        clear(header::COMMAND, COMMAND_BITS);
        clear(header::CACHE_LINE_SIZE, 0xff);
        clear(header::INTERRUPT_LINE, 0xff);
        if self.power_management != 0 {
            clear(self.power_management.wrapping_add(4), POWER_STATE);
        }
        if self.msix != 0 {
            clear(self.msix, MSIX_CONTROL_BITS);
        }
        if self.msi != 0 {
            clear(self.msi, MSI_ENABLE);
            self.clear_message(image);
        }
        for bar in self.bars.iter().flatten() {
            let (low, high) = bar_address(bar);
            image.write32(bar_offset(bar.index), low);
            if bar.kind.takes_two_registers() {
                image.write32(bar_offset(bar.index).wrapping_add(4), high);
            }
        }
    }

    /// Clears all of MSI but its first dword.
    fn clear_message(&self, image: &mut impl Image) {
        let end = self.msi.wrapping_add(msi_length(image.read32(self.msi)));
        for dword in (self.msi..end).step_by(4).skip(1) {
            image.write32(dword, 0);
        }
    }

    /// Sizing shows the size; every other value leaves the address as it is.
    fn base_address(&self, image: &mut impl Image, write: Write) -> Option<Effect> {
        for bar in self.bars.iter().flatten() {
            let low = bar_offset(bar.index);
            let (address, upper_address) = bar_address(bar);
            let (mask, upper_mask) = bar_mask(bar);
            let all_ones = write.mask == u32::MAX && is_sizing(write.value);
            let high = low.wrapping_add(4);
            if write.dword == low {
                image.write32(low, if all_ones { mask } else { address });
                return Some(Effect::ImageOnly);
            }
            if bar.kind.takes_two_registers() && write.dword == high {
                image.write32(high, if all_ones { upper_mask } else { upper_address });
                return Some(Effect::ImageOnly);
            }
        }
        None
    }

    fn capability(&self, image: &mut impl Image, write: Write) -> Option<Effect> {
        let is = |start: u16, offset: u16| start != 0 && write.dword == start.wrapping_add(offset);
        if is(self.msix, 0) {
            let value = store(image, write, MSIX_CONTROL_BITS)?;
            return Some(Effect::MsixControl {
                enable: value >> 31 & 1 != 0,
                mask_all: value >> 30 & 1 != 0,
            });
        }
        if is(self.express, express::DEVICE_CONTROL) {
            return self.device_control(image, write);
        }
        if is(self.power_management, 4) {
            let value = store(image, write, POWER_STATE)?;
            let [state, ..] = (value & POWER_STATE).to_le_bytes();
            return Some(Effect::PowerState(state));
        }
        if self.msi != 0 {
            return self.message(image, write);
        }
        None
    }

    fn device_control(&self, image: &mut impl Image, write: Write) -> Option<Effect> {
        let capabilities = self.express.wrapping_add(express::DEVICE_CAPABILITIES);
        let capable = image.read32(capabilities) & express::CAPABLE_OF_FUNCTION_LEVEL_RESET != 0;
        let reset = u32::from(express::CONTROL_FUNCTION_LEVEL_RESET);
        if capable && write.value & reset != 0 {
            self.reset(image);
            return Some(Effect::FunctionLevelReset);
        }
        let value = store(image, write, u32::from(DEVICE_CONTROL_BITS))?;
        let [low, high, ..] = value.to_le_bytes();
        Some(Effect::DeviceControl(
            u16::from_le_bytes([low, high]) & DEVICE_CONTROL_BITS,
        ))
    }

    /// MSI: the places of data and mask depend on whether the address has 64 bits (section
    /// 7.7.1 "MSI Capability Structures").
    fn message(&self, image: &mut impl Image, write: Write) -> Option<Effect> {
        let control = image.read32(self.msi);
        let (data, mask) = if control & MSI_64_BIT != 0 {
            (12, 16)
        } else {
            (8, 12)
        };
        let masking = control & MSI_MASKING != 0;
        let writable = match write.dword.checked_sub(self.msi)? {
            0 => MSI_ENABLE,
            4 => !0b11,
            8 if control & MSI_64_BIT != 0 => u32::MAX,
            offset if offset == data => 0xffff,
            offset if offset == mask && masking => 1,
            _ => return None,
        };
        store(image, write, writable)?;
        let read = |offset: u16| image.read32(self.msi.wrapping_add(offset));
        let upper = if control & MSI_64_BIT != 0 {
            u64::from(read(8)) << 32
        } else {
            0
        };
        let [low, high, ..] = read(data).to_le_bytes();
        Some(Effect::Msi(Msi {
            enable: read(0) & MSI_ENABLE != 0,
            address: upper | u64::from(read(4)),
            data: u16::from_le_bytes([low, high]),
            masked: masking && read(mask) & 1 != 0,
        }))
    }
}

/// Writes what may be written of the bits `writable`; the new dword.
fn store(image: &mut impl Image, write: Write, writable: u32) -> Option<u32> {
    let value = write.merge(image, writable)?;
    image.write32(write.dword, value);
    Some(value)
}

fn command(image: &mut impl Image, write: Write) -> Option<Effect> {
    let value = store(image, write, COMMAND_BITS)?;
    let has = |bit: u16| value & u32::from(bit) != 0;
    Some(Effect::Command {
        memory: has(header::COMMAND_MEMORY_SPACE),
        bus_master: has(header::COMMAND_BUS_MASTER),
    })
}

/// All ones, as everybody sizes a BAR; the low four bits are read-only and may be anything.
const fn is_sizing(value: u32) -> bool {
    value | 0xf == u32::MAX
}

/// What the register, or the pair of them, shows as the address.
pub(super) fn bar_address(bar: &Bar) -> (u32, u32) {
    let (low, high) = (bar.address as u32, (bar.address >> 32) as u32);
    (low & !0xf | bar.kind.flags(), high)
}

/// What it shows after all ones were written.
fn bar_mask(bar: &Bar) -> (u32, u32) {
    let mask = !bar.size.wrapping_sub(1);
    let (low, high) = (mask as u32, (mask >> 32) as u32);
    (low & !0xf | bar.kind.flags(), high)
}
