//! The two linked lists of capabilities (PCI Express Base Specification 5.0, sections
//! 7.5.1.1.11 "Capabilities Pointer" and 7.6.3 "PCI Express Extended Capability Header").
//!
//! The lists come from a device, which may lie: both iterators end after as many steps as
//! the space has places, whatever the links say.

use crate::ConfigSpace;
use crate::header::{CAPABILITIES_POINTER, STATUS, STATUS_CAPABILITIES_LIST};

/// Where capabilities may begin.
pub const FIRST_CAPABILITY: u16 = 0x40;
/// Places of four bytes between the header and the end of the first 256 bytes.
const CAPABILITY_PLACES: u16 = 48;
const FIRST_EXTENDED: u16 = 0x100;
/// Places of four bytes between 0x100 and the end of the 4 KiB.
const EXTENDED_PLACES: u16 = 960;
const ABSENT: u32 = 0xffff_ffff;

/// What a capability of the first 256 bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapabilityId(pub u8);

impl CapabilityId {
    /// PCI Power Management Interface.
    pub const POWER_MANAGEMENT: Self = Self(0x01);
    /// Message signalled interrupts.
    pub const MSI: Self = Self(0x05);
    /// What the vendor wants.
    pub const VENDOR_SPECIFIC: Self = Self(0x09);
    /// PCI Express.
    pub const EXPRESS: Self = Self(0x10);
    /// MSI-X.
    pub const MSIX: Self = Self(0x11);
}

/// What an extended capability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapabilityId(pub u16);

impl ExtendedCapabilityId {
    /// Single Root I/O Virtualization.
    pub const SINGLE_ROOT_IO: Self = Self(0x10);
}

/// A capability in the first 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// What it is.
    pub id: CapabilityId,
    /// Where it starts, a multiple of 4 in 0x40..0x100.
    pub offset: u16,
}

/// An extended capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapability {
    /// What it is.
    pub id: ExtendedCapabilityId,
    /// Where it starts, a multiple of 4 in 0x100..0x1000.
    pub offset: u16,
}

/// The capabilities of `config`, in the order of the list.
pub fn capabilities(config: &impl ConfigSpace) -> impl Iterator<Item = Capability> {
    let listed = config.read16(STATUS) & STATUS_CAPABILITIES_LIST != 0;
    let mut next = if listed {
        config.read8(CAPABILITIES_POINTER)
    } else {
        0
    };
    (0..CAPABILITY_PLACES).map_while(move |_| {
        let offset = u16::from(next & !0b11);
        if offset < FIRST_CAPABILITY {
            return None;
        }
        let [id, link] = config.read16(offset).to_le_bytes();
        // All ones: the function has gone, or its list leads into nothing.
        if id == 0xff {
            return None;
        }
        next = link;
        Some(Capability {
            id: CapabilityId(id),
            offset,
        })
    })
}

/// The extended capabilities of `config`, in the order of the list.
pub fn extended_capabilities(
    config: &impl ConfigSpace,
) -> impl Iterator<Item = ExtendedCapability> {
    let mut offset = FIRST_EXTENDED;
    (0..EXTENDED_PLACES).map_while(move |_| {
        if offset < FIRST_EXTENDED {
            return None;
        }
        let header = config.read32(offset);
        if header == 0 || header == ABSENT {
            return None;
        }
        let [i0, i1, version_and_link, link] = header.to_le_bytes();
        let found = ExtendedCapability {
            id: ExtendedCapabilityId(u16::from_le_bytes([i0, i1])),
            offset,
        };
        offset = (u16::from_le_bytes([version_and_link, link]) >> 4) & !0b11;
        Some(found)
    })
}

/// Where the first capability `id` starts.
#[must_use]
pub fn find(config: &impl ConfigSpace, id: CapabilityId) -> Option<u16> {
    capabilities(config)
        .find(|found| found.id == id)
        .map(|found| found.offset)
}

/// Where the first extended capability `id` starts.
#[must_use]
pub fn find_extended(config: &impl ConfigSpace, id: ExtendedCapabilityId) -> Option<u16> {
    extended_capabilities(config)
        .find(|found| found.id == id)
        .map(|found| found.offset)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::fake::{self, FakeConfigSpace};

    #[test]
    fn the_lists_of_an_nvme_controller_are_walked() {
        let config = fake::physical_function();
        let ids: Vec<u8> = capabilities(&config).map(|found| found.id.0).collect();
        assert_eq!(ids, [0x11, 0x10, 0x01]);
        assert_eq!(find(&config, CapabilityId::EXPRESS), Some(0x80));
        assert_eq!(find(&config, CapabilityId::MSI), None);
        let extended: Vec<u16> = extended_capabilities(&config)
            .map(|found| found.id.0)
            .collect();
        assert_eq!(extended, [0x0e, 0x10]);
        assert_eq!(
            find_extended(&config, ExtendedCapabilityId::SINGLE_ROOT_IO),
            Some(0x120)
        );
    }

    #[test]
    fn without_the_status_bit_there_is_no_list() {
        let config = fake::physical_function();
        config.set16(STATUS, 0);
        assert_eq!(capabilities(&config).count(), 0);
    }

    #[test]
    fn a_list_that_leads_back_to_itself_ends() {
        let config = fake::physical_function();
        config.set16(0x40, 0x4011);
        assert_eq!(
            capabilities(&config).count(),
            usize::from(CAPABILITY_PLACES)
        );
        config.set32(0x100, 0x1001_000e);
        assert_eq!(
            extended_capabilities(&config).count(),
            usize::from(EXTENDED_PLACES)
        );
    }

    #[test]
    fn an_absent_function_has_none() {
        assert_eq!(capabilities(&FakeConfigSpace::absent()).count(), 0);
        assert_eq!(extended_capabilities(&FakeConfigSpace::absent()).count(), 0);
    }

    proptest! {
        #[test]
        fn no_content_leads_outside(bytes in prop::collection::vec(any::<u8>(), 4096)) {
            let config = FakeConfigSpace::from_bytes(&bytes);
            for found in capabilities(&config) {
                prop_assert!((0x40..0x100).contains(&found.offset));
                prop_assert_eq!(found.offset % 4, 0);
            }
            for found in extended_capabilities(&config) {
                prop_assert!((0x100..0x1000).contains(&found.offset));
                prop_assert_eq!(found.offset % 4, 0);
            }
        }
    }
}
