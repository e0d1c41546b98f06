//! Builds the image of a function that exists in no hardware.

use pci_config::bar::Bars;
use pci_config::header::{self, Class};
use pci_config::{CapabilityId, capability};

use super::build::{STATUS_LIST, write_bar};
use super::{BYTES, Image, Layout};

/// Where the first capability stands.
const FIRST_CAPABILITY: u16 = capability::FIRST_CAPABILITY;
/// One past the last byte that a capability may take.
const CAPABILITIES_END: usize = 0x100;

/// What a guest sees of such a function: an endpoint of conventional PCI, without interrupt
/// pin, ROM and I/O space.
#[derive(Debug, Clone, Copy)]
pub struct Synthetic<'a> {
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Subsystem Vendor ID.
    pub subsystem_vendor: u16,
    /// Subsystem ID.
    pub subsystem: u16,
    /// Class code.
    pub class: Class,
    /// Revision ID.
    pub revision: u8,
    /// The BARs, memory alone, with their addresses in the guest.
    pub bars: Bars,
    /// The capabilities in the order of the list, each from its ID on. The byte that links
    /// to the next is filled in. One of MSI-X can be written to as that of a real function.
    pub capabilities: &'a [&'a [u8]],
}

impl Synthetic<'_> {
    /// Fills `image`, and says where the writable registers are. Capabilities that find no
    /// room in the first 256 bytes are left out.
    pub fn build(&self, image: &mut impl Image) -> Layout {
        for offset in (0_u16..).step_by(4).take(BYTES / 4) {
            image.write32(offset, 0);
        }
        let pair = |low: u16, high: u16| u32::from(high) << 16 | u32::from(low);
        let Class {
            base,
            sub,
            interface,
        } = self.class;
        let class = u32::from_le_bytes([self.revision, interface, sub, base]);
        let subsystem = pair(self.subsystem_vendor, self.subsystem);
        image.write32(header::VENDOR_ID, pair(self.vendor, self.device));
        image.write32(header::REVISION_ID, class);
        image.write32(header::SUBSYSTEM_VENDOR_ID, subsystem);
        for bar in self.bars.iter().flatten() {
            write_bar(image, bar);
        }
        let msix = self.link_capabilities(image);
        Layout {
            bars: self.bars,
            power_management: 0,
            msi: 0,
            express: 0,
            msix,
        }
    }

    /// Puts the capabilities one behind the other; where that of MSI-X is, or 0.
    fn link_capabilities(&self, image: &mut impl Image) -> u16 {
        let mut msix = 0;
        let mut place = FIRST_CAPABILITY;
        // The dword, and the bits of it, where the link to the next one goes.
        let mut link = (header::CAPABILITIES_POINTER, 0_u32);
        for capability in self.capabilities {
            let end = usize::from(place).saturating_add(capability.len());
            let [id, _, ..] = **capability else {
                continue;
            };
            if end > CAPABILITIES_END {
                continue;
            }
            let (dword, shift) = link;
            let pointer = u32::from(place).wrapping_shl(shift);
            image.write32(dword, image.read32(dword) | pointer);
            image.write32(header::COMMAND, STATUS_LIST);
            if CapabilityId(id) == CapabilityId::MSIX {
                msix = place;
            }
            link = (place, 8);
            place = put(image, place, capability);
        }
        msix
    }
}

/// Writes a capability at `place` as the last one of the list; where the next one has room.
fn put(image: &mut impl Image, place: u16, capability: &[u8]) -> u16 {
    let mut place = place;
    for (index, part) in capability.chunks(4).enumerate() {
        let mut dword = [0; 4];
        for (byte, value) in dword.iter_mut().zip(part) {
            *byte = *value;
        }
        if index == 0 {
            dword[1] = 0;
        }
        image.write32(place, u32::from_le_bytes(dword));
        place = place.saturating_add(4);
    }
    place
}

#[cfg(test)]
mod tests {
    use pci_config::{Bar, BarKind};

    use super::*;
    use crate::config_space::Effect;

    const BAR: Bar = Bar {
        index: 0,
        kind: BarKind::Memory32 {
            prefetchable: false,
        },
        address: 0xb010_0000,
        size: 0x2000,
    };
    const VENDOR_SPECIFIC: &[u8] = &[0x09, 0xee, 6, 1, 2, 3];
    const MSIX: &[u8] = &[0x11, 0xee, 1, 0, 0, 8, 0, 0, 0, 12, 0, 0];

    fn build(capabilities: &[&[u8]]) -> ([u8; BYTES], Layout) {
        let mut image = [0xee; BYTES];
        let layout = Synthetic {
            vendor: 0x1af4,
            device: 0x1043,
            subsystem_vendor: 0x1af4,
            subsystem: 0x1100,
            class: Class {
                base: 7,
                sub: 0x80,
                interface: 0,
            },
            revision: 1,
            bars: [Some(BAR), None, None, None, None, None],
            capabilities,
        }
        .build(&mut image);
        (image, layout)
    }

    #[test]
    fn the_header_says_what_it_is() {
        let (image, _) = build(&[]);
        assert_eq!(image.read32(0x00), 0x1043_1af4);
        assert_eq!(image.read32(0x04), 0);
        assert_eq!(image.read32(0x08), 0x0780_0001);
        assert_eq!(image.read32(0x10), 0xb010_0000);
        assert_eq!(image.read32(0x2c), 0x1100_1af4);
        assert_eq!(image.read32(0x34), 0);
        assert_eq!(image.read32(0x3c), 0);
    }

    #[test]
    fn capabilities_are_linked_in_their_order_and_no_further() {
        let (image, layout) = build(&[VENDOR_SPECIFIC, MSIX]);
        assert_eq!(image.read32(0x04), 0x0010_0000);
        assert_eq!(image.read32(0x34), 0x40);
        assert_eq!(image.read32(0x40), 0x0106_4809);
        assert_eq!(image.read32(0x44), 0x0000_0302);
        assert_eq!(image.read32(0x48), 0x0001_0011);
        assert_eq!(image.read32(0x4c), 0x0000_0800);
        assert_eq!(image.read32(0x54), 0);
        assert_eq!(layout.msix(), Some(0x48));
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let (image, layout) = build(&[&[9; 0xc0 - 3], MSIX, &[], &[9]]);
        assert_eq!(image.read32(0x34), 0x40);
        assert_eq!(image.read32(0x40), 0x0909_0009);
        assert_eq!(image.read32(0x100), 0);
        assert_eq!(layout.msix(), None);
    }

    #[test]
    fn it_is_written_to_as_a_real_function() {
        let (mut image, layout) = build(&[VENDOR_SPECIFIC, MSIX]);
        let command = layout.write(&mut image, 0x04, 2, 0x0006);
        let expected = Effect::Command {
            memory: true,
            bus_master: true,
        };
        assert_eq!(command, expected);
        layout.write(&mut image, 0x10, 4, u32::MAX);
        assert_eq!(image.read32(0x10), 0xffff_e000);
        layout.write(&mut image, 0x10, 4, 0xc000_0000);
        assert_eq!(image.read32(0x10), 0xb010_0000);
        let enabled = layout.write(&mut image, 0x4a, 2, 0x8000);
        let expected = Effect::MsixControl {
            enable: true,
            mask_all: false,
        };
        assert_eq!(enabled, expected);
        assert_eq!(layout.write(&mut image, 0x44, 4, 0), Effect::None);
        layout.reset(&mut image);
        assert_eq!(image.read32(0x04), 0x0010_0000);
        assert_eq!(image.read32(0x48), 0x0001_0011);
    }
}
