//! Bridges: bus numbers, the windows they forward, and whom they say a request is from (PCI
//! Express Base Specification 5.0, section 7.5.1.3 "Type 1 Configuration Space Header").

use core::ops::RangeInclusive;

use addr::{HostPhysical, Range};

use crate::ConfigSpace;
use crate::express::{self, PortType};

/// Secondary Bus Number, 8 bits.
pub const SECONDARY_BUS: u16 = 0x19;
/// Subordinate Bus Number, 8 bits.
pub const SUBORDINATE_BUS: u16 = 0x1a;
/// Memory Base and Memory Limit, 16 bits each.
pub const MEMORY_BASE: u16 = 0x20;
/// Prefetchable Memory Base and Limit, 16 bits each.
pub const PREFETCHABLE_BASE: u16 = 0x24;
/// Prefetchable Base Upper 32 Bits.
pub const PREFETCHABLE_BASE_UPPER: u16 = 0x28;
/// Prefetchable Limit Upper 32 Bits.
pub const PREFETCHABLE_LIMIT_UPPER: u16 = 0x2c;

/// Bits 3:0 of a prefetchable base: the upper halves exist.
const ADDRESSES_64_BIT: u16 = 1;
/// Windows are multiples of 1 MiB.
const GRANULE: u64 = 1 << 20;

/// The buses behind a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buses {
    /// The bus right behind it, 0 if firmware gave it none.
    pub secondary: u8,
    /// The last bus behind it.
    pub subordinate: u8,
}

impl Buses {
    /// All buses behind the bridge; `None` if firmware gave it none.
    #[must_use]
    pub fn behind(self) -> Option<RangeInclusive<u8>> {
        (self.secondary != 0).then_some(self.secondary..=self.subordinate)
    }
}

/// Whether requests from behind the bridge keep their requester IDs. Those that come from
/// conventional PCI have none: the bridge sends them all as (secondary bus, 0, 0), or as its own
/// (PCI Express to PCI/PCI-X Bridge Specification, revision 1.0).
#[must_use]
pub fn keeps_requester_ids(config: &impl ConfigSpace) -> bool {
    let ports = [PortType::ROOT, PortType::UPSTREAM, PortType::DOWNSTREAM];
    express::read(config).is_some_and(|port| ports.contains(&port.port_type))
}

/// Reads the bus numbers of a bridge.
#[must_use]
pub fn buses(config: &impl ConfigSpace) -> Buses {
    Buses {
        secondary: config.read8(SECONDARY_BUS),
        subordinate: config.read8(SUBORDINATE_BUS),
    }
}

/// The window below 4 GiB for memory that may have side effects; `None` if it is closed.
#[must_use]
pub fn memory_window(config: &impl ConfigSpace) -> Option<Range<HostPhysical>> {
    let (base, limit) = base_and_limit(config, MEMORY_BASE);
    window(window_part(base), window_part(limit))
}

/// The window for prefetchable memory, perhaps above 4 GiB; `None` if it is closed.
#[must_use]
pub fn prefetchable_window(config: &impl ConfigSpace) -> Option<Range<HostPhysical>> {
    let (base, limit) = base_and_limit(config, PREFETCHABLE_BASE);
    let upper = |offset| match base & 0xf {
        ADDRESSES_64_BIT => u64::from(config.read32(offset)) << 32,
        _ => 0,
    };
    window(
        upper(PREFETCHABLE_BASE_UPPER) | window_part(base),
        upper(PREFETCHABLE_LIMIT_UPPER) | window_part(limit),
    )
}

fn base_and_limit(config: &impl ConfigSpace, offset: u16) -> (u16, u16) {
    (config.read16(offset), config.read16(offset.wrapping_add(2)))
}

/// Bits 15:4 of base and limit are address bits 31:20.
fn window_part(register: u16) -> u64 {
    u64::from(register & 0xfff0) << 16
}

/// A limit below the base closes the window.
fn window(base: u64, limit: u64) -> Option<Range<HostPhysical>> {
    let bytes = limit.checked_add(GRANULE)?.checked_sub(base)?;
    Range::new(HostPhysical::new(base), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;
    use crate::header::{self, HeaderType};

    #[test]
    fn a_root_port_has_buses_and_windows() {
        let port = fake::root_port();
        assert_eq!(header::read(&port).unwrap().header_type, HeaderType::BRIDGE);
        assert_eq!(
            buses(&port),
            Buses {
                secondary: 2,
                subordinate: 2
            }
        );
        let memory = memory_window(&port).unwrap();
        assert_eq!(
            (memory.start().as_u64(), memory.bytes()),
            (0xfe80_0000, 0x20_0000)
        );
        let prefetchable = prefetchable_window(&port).unwrap();
        assert_eq!(prefetchable.start().as_u64(), 0x8_0000_0000);
        assert_eq!(prefetchable.bytes(), 0x1000_0000);
    }

    #[test]
    fn a_bridge_without_buses_leads_nowhere() {
        let port = fake::root_port();
        assert_eq!(buses(&port).behind(), Some(2..=2));
        port.set32(SECONDARY_BUS - 1, 0);
        assert_eq!(buses(&port).behind(), None);
    }

    #[test]
    fn only_ports_of_pci_express_keep_requester_ids() {
        let port = fake::root_port();
        for (port_type, keeps) in [(4, true), (5, true), (6, true), (7, false), (8, false)] {
            port.set16(0x80 + express::FLAGS, 2 | port_type << 4);
            assert_eq!(keeps_requester_ids(&port), keeps, "{port_type}");
        }
    }

    #[test]
    fn a_conventional_bridge_keeps_no_requester_ids() {
        let port = fake::root_port();
        port.set16(header::STATUS, 0);
        assert!(!keeps_requester_ids(&port));
    }

    #[test]
    fn a_limit_below_the_base_is_no_window() {
        let port = fake::root_port();
        port.set32(MEMORY_BASE, 0x0000_fff0);
        assert_eq!(memory_window(&port), None);
    }

    #[test]
    fn a_32_bit_prefetchable_window_has_no_upper_half() {
        let port = fake::root_port();
        port.set32(PREFETCHABLE_BASE, 0xfd90_fd80);
        let window = prefetchable_window(&port).unwrap();
        assert_eq!(
            (window.start().as_u64(), window.bytes()),
            (0xfd80_0000, 0x20_0000)
        );
    }
}
