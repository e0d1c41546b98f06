//! Base address registers: decoding and sizing (PCI Express Base Specification 5.0,
//! section 7.5.1.2.1 "Base Address Registers").

use crate::ConfigSpace;
use crate::header::{
    self, BASE_ADDRESS_0, COMMAND, COMMAND_IO_SPACE, COMMAND_MEMORY_SPACE, HeaderType,
};

/// The number of base address registers of an endpoint.
pub const REGISTERS: u8 = 6;
/// That of a bridge: its bus numbers and windows follow.
const BRIDGE_REGISTERS: u8 = 2;

/// Bit 0: the register is for I/O space.
pub const FLAG_IO: u32 = 1 << 0;
/// Bits 2:1 = 10: the register and the next one hold a 64-bit address.
pub const FLAG_64_BIT: u32 = 0b10 << 1;
/// Bit 3: reads have no side effects.
pub const FLAG_PREFETCHABLE: u32 = 1 << 3;

const TYPE_MASK: u32 = 0b11 << 1;
const IO_FLAGS: u32 = 0b11;
const MEMORY_FLAGS: u32 = 0xf;

/// The address space that a BAR decodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// I/O ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
    /// Memory anywhere; takes the next register as well.
    Memory64 {
        /// Reads have no side effects.
        prefetchable: bool,
    },
}

impl BarKind {
    /// The kind that the low bits of a register say.
    #[must_use]
    pub const fn from_register(value: u32) -> Self {
        let prefetchable = value & FLAG_PREFETCHABLE != 0;
        if value & FLAG_IO != 0 {
            Self::Io
        } else if value & TYPE_MASK == FLAG_64_BIT {
            Self::Memory64 { prefetchable }
        } else {
            Self::Memory32 { prefetchable }
        }
    }

    /// The low bits of a register of this kind.
    #[must_use]
    pub const fn flags(self) -> u32 {
        let (width, prefetchable) = match self {
            Self::Io => return FLAG_IO,
            Self::Memory32 { prefetchable } => (0, prefetchable),
            Self::Memory64 { prefetchable } => (FLAG_64_BIT, prefetchable),
        };
        if prefetchable {
            width | FLAG_PREFETCHABLE
        } else {
            width
        }
    }

    /// The low bits that are no part of the address.
    const fn read_only(self) -> u32 {
        match self {
            Self::Io => IO_FLAGS,
            Self::Memory32 { .. } | Self::Memory64 { .. } => MEMORY_FLAGS,
        }
    }

    /// Whether the next register holds the address' upper half.
    #[must_use]
    pub const fn takes_two_registers(self) -> bool {
        matches!(self, Self::Memory64 { .. })
    }
}

/// One base address register, or a pair of them, with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// The number of its (first) register, 0 to 5.
    pub index: u8,
    /// The address space.
    pub kind: BarKind,
    /// The address it has now, 0 if firmware assigned none.
    pub address: u64,
    /// The size in bytes, a power of two.
    pub size: u64,
}

/// The BARs of a function by the number of their first register.
pub type Bars = [Option<Bar>; REGISTERS as usize];

/// Sizes the BARs of an endpoint or a bridge. Memory and I/O decoding are off meanwhile, and registers
/// and command are as before afterwards: nobody else may use the function at this moment.
pub fn size_bars(config: &impl ConfigSpace) -> Bars {
    let count = match header::read(config).map(|header| header.header_type) {
        Some(HeaderType::ENDPOINT) => REGISTERS,
        Some(HeaderType::BRIDGE) => BRIDGE_REGISTERS,
        _ => 0,
    };
    let command = config.read16(COMMAND);
    config.write16(
        COMMAND,
        command & !(COMMAND_IO_SPACE | COMMAND_MEMORY_SPACE),
    );
    let bars = size_registers(config, BASE_ADDRESS_0, count);
    config.write16(COMMAND, command);
    bars
}

/// Sizes the `count` registers at `base`, whose decoding the caller has turned off.
pub(crate) fn size_registers(config: &impl ConfigSpace, base: u16, count: u8) -> Bars {
    let mut bars: Bars = [None; REGISTERS as usize];
    let mut upper_half = false;
    for (slot, index) in bars.iter_mut().zip(0..count) {
        if upper_half {
            upper_half = false;
            continue;
        }
        let offset = register_offset(base, index);
        let kind = BarKind::from_register(config.read32(offset));
        // The last register has no next one to hold the upper half.
        if kind.takes_two_registers() && index.wrapping_add(1) == count {
            continue;
        }
        upper_half = kind.takes_two_registers();
        *slot = size_one(config, offset, index, kind);
    }
    bars
}

fn size_one(config: &impl ConfigSpace, offset: u16, index: u8, kind: BarKind) -> Option<Bar> {
    let flags = kind.read_only();
    let (low, low_mask) = probe(config, offset);
    let mut address = u64::from(low & !flags);
    let mut mask = u64::from(low_mask & !flags);
    if kind.takes_two_registers() {
        let (high, high_mask) = probe(config, offset.wrapping_add(4));
        address |= u64::from(high) << 32;
        mask |= u64::from(high_mask) << 32;
    }
    // The lowest bit that can be set is the size; the bits above need not all be there.
    let size = mask & mask.wrapping_neg();
    (size != 0).then_some(Bar {
        index,
        kind,
        address,
        size,
    })
}

/// The register's value and what it reads after all ones were written; its value is back
/// afterwards.
fn probe(config: &impl ConfigSpace, offset: u16) -> (u32, u32) {
    let value = config.read32(offset);
    config.write32(offset, u32::MAX);
    let mask = config.read32(offset);
    config.write32(offset, value);
    (value, mask)
}

/// Gives the BAR whose first register is at `offset` an address.
pub(crate) fn write_address(config: &impl ConfigSpace, offset: u16, kind: BarKind, address: u64) {
    config.write32(offset, address as u32);
    if kind.takes_two_registers() {
        config.write32(offset.wrapping_add(4), (address >> 32) as u32);
    }
}

/// Gives an endpoint's BAR another address. Decoding must be off.
pub fn set_address(config: &impl ConfigSpace, bar: &Bar, address: u64) {
    write_address(
        config,
        register_offset(BASE_ADDRESS_0, bar.index),
        bar.kind,
        address,
    );
}

/// Whether an endpoint's BAR has its address, which a register that decodes more than it did
/// does not take (PCI Express Base Specification 5.0, section 7.8.6 "Resizable BAR Extended
/// Capability": the size that was chosen is not kept over a reset).
pub fn has_address(config: &impl ConfigSpace, bar: &Bar) -> bool {
    let offset = register_offset(BASE_ADDRESS_0, bar.index);
    let low = u64::from(config.read32(offset) & !bar.kind.read_only());
    let high = match bar.kind.takes_two_registers() {
        true => config.read32(offset.wrapping_add(4)),
        false => 0,
    };
    low | u64::from(high) << 32 == bar.address
}

/// The offset of register `index` of those at `base`.
pub(crate) fn register_offset(base: u16, index: u8) -> u16 {
    base.wrapping_add(u16::from(index).wrapping_mul(4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn a_64_bit_bar_is_sized_and_left_as_it_was() {
        let config = fake::physical_function();
        config.write16(COMMAND, COMMAND_MEMORY_SPACE);
        let bars = size_bars(&config);
        let expected = Bar {
            index: 0,
            kind: BarKind::Memory64 {
                prefetchable: false,
            },
            address: 0xfe80_0000,
            size: 0x4000,
        };
        assert_eq!(bars, [Some(expected), None, None, None, None, None]);
        assert_eq!(config.read32(0x10), 0xfe80_0004);
        assert_eq!(config.read16(COMMAND), COMMAND_MEMORY_SPACE);
    }

    #[test]
    fn decoding_is_off_while_a_register_holds_all_ones() {
        let config = fake::physical_function();
        config.write16(COMMAND, COMMAND_MEMORY_SPACE);
        size_bars(&config);
        assert!(!config.bar_was_written_while_decoding());
    }

    #[test]
    fn io_and_32_bit_bars_are_told_apart() {
        let config = fake::physical_function();
        config.define(0x18, 0x0000_c001, 0xffff_ffe0);
        config.define(0x1c, 0xfd00_0008, 0xfff0_0000);
        let bars = size_bars(&config);
        assert_eq!(
            bars[2],
            Some(Bar {
                index: 2,
                kind: BarKind::Io,
                address: 0xc000,
                size: 32
            })
        );
        let kind = BarKind::Memory32 { prefetchable: true };
        assert_eq!(
            bars[3],
            Some(Bar {
                index: 3,
                kind,
                address: 0xfd00_0000,
                size: 0x10_0000
            })
        );
    }

    #[test]
    fn a_bridge_has_two_bars_and_keeps_its_buses_and_windows() {
        let port = fake::root_port();
        port.define(0x10, 0xfd00_0000, 0xffff_f000);
        // Whatever were written to these would stay visible as the size of a BAR.
        for offset in (0x18..0x28).step_by(4) {
            port.define(offset, port.read32(offset), u32::MAX);
        }
        let [first, others @ ..] = size_bars(&port);
        assert_eq!(first.map(|bar| bar.size), Some(0x1000));
        assert_eq!(others, [None; 5]);
    }

    #[test]
    fn a_64_bit_bar_that_would_reach_into_a_bridges_buses_is_not_one() {
        let port = fake::root_port();
        port.define(0x14, 0xfd00_0004, 0xffff_f000);
        assert_eq!(size_bars(&port)[1], None);
    }

    #[test]
    fn what_is_neither_endpoint_nor_bridge_has_no_bars() {
        let config = fake::physical_function();
        config.set32(0x0c, 0x0002_0000);
        assert_eq!(size_bars(&config), [None; 6]);
    }

    #[test]
    fn a_64_bit_bar_in_the_last_register_is_not_one() {
        let config = fake::physical_function();
        config.define(0x24, 0xfd00_0004, 0xfff0_0000);
        assert_eq!(size_bars(&config)[5], None);
    }

    #[test]
    fn an_address_is_written_to_both_halves() {
        let config = fake::physical_function();
        let bar = size_bars(&config)[0].unwrap();
        set_address(&config, &bar, 0x12_3456_8000);
        assert_eq!(size_bars(&config)[0].unwrap().address, 0x12_3456_8000);
    }

    #[test]
    fn a_bar_that_has_grown_does_not_have_its_address() {
        for (index, low) in [(0, 0xfe80_0004), (2, 0xfe80_0000)] {
            let config = fake::physical_function();
            let offset = register_offset(BASE_ADDRESS_0, index);
            config.define(offset, low, 0xffff_c000);
            let bar = size_bars(&config)[usize::from(index)].unwrap();
            let has_it = |config: &fake::FakeConfigSpace| {
                config.write32(offset, 0);
                set_address(config, &bar, bar.address);
                has_address(config, &bar)
            };
            assert!(has_it(&config));
            config.define(offset, low & 0xf, 0xff00_0000);
            assert!(!has_it(&config));
        }
    }

    #[test]
    fn both_halves_are_compared() {
        let config = fake::physical_function();
        let bar = size_bars(&config)[0].unwrap();
        set_address(&config, &bar, bar.address | 1 << 32);
        assert!(!has_address(&config, &bar));
    }

    #[test]
    fn flags_survive_a_round_trip() {
        for flags in [0, 1, 4, 8, 12] {
            assert_eq!(BarKind::from_register(flags).flags(), flags);
        }
    }
}
