#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]

use core::cell::RefCell;

use pci_config::{Bar, BarKind, ConfigSpace};
use proptest::prelude::*;

use super::*;

/// A read-only configuration space.
struct Physical(RefCell<[u8; BYTES]>);

impl Physical {
    fn new(dwords: &[(usize, u32)]) -> Self {
        let mut bytes = [0; BYTES];
        for (offset, value) in dwords {
            bytes[*offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        Self(RefCell::new(bytes))
    }
}

impl ConfigSpace for Physical {
    fn read8(&self, offset: u16) -> u8 {
        self.0.borrow()[usize::from(offset)]
    }
    fn read16(&self, offset: u16) -> u16 {
        u16::from_le_bytes([self.read8(offset), self.read8(offset + 1)])
    }
    fn read32(&self, offset: u16) -> u32 {
        u32::from(self.read16(offset)) | u32::from(self.read16(offset + 2)) << 16
    }
    fn write8(&self, _: u16, _: u8) {
        panic!("the image is built without touching the function");
    }
    fn write16(&self, _: u16, _: u16) {
        panic!("the image is built without touching the function");
    }
    fn write32(&self, _: u16, _: u32) {
        panic!("the image is built without touching the function");
    }
}

/// A VF of QEMU's NVMe controller: IDs all ones, BARs zero; MSI-X, PCI Express, power
/// management, and vendor-specific and SR-IOV capabilities that must not show.
fn virtual_function() -> Physical {
    Physical::new(&[
        (0x00, 0xffff_ffff),
        (0x04, 0x0810_0000),
        (0x08, 0x0108_0202),
        (0x0c, 0x0080_0000),
        (0x2c, 0x1100_1af4),
        (0x30, 0xfffe_0001),
        (0x34, 0x40),
        (0x3c, 0x0000_010b),
        (0x40, 0x8010_7011),
        (0x44, 0x2000),
        (0x48, 0x3000),
        (0x60, 0xfe03_0001),
        (0x64, 0x0000_010b),
        (0x70, 0x0010_8009),
        (0x80, 0x0002_6010),
        (0x84, 0x1000_8001),
        (0x88, 0x0010_281f),
        (0x100, 0x0001_000f),
    ])
}

const BAR: Bar = Bar {
    index: 0,
    kind: BarKind::Memory64 {
        prefetchable: false,
    },
    address: 0xfe81_4000,
    size: 0x4000,
};

fn nvme() -> ([u8; BYTES], Layout) {
    let mut image = [0xee; BYTES];
    let bars = [Some(BAR), None, None, None, None, None];
    let kind = Kind::Virtual {
        vendor: 0x1b36,
        device: 0x10,
    };
    let layout = build(&mut image, &virtual_function(), kind, bars);
    (image, layout)
}

/// A whole function with MSI, 64-bit and maskable, after a hidden capability.
fn with_msi() -> ([u8; BYTES], Layout) {
    let physical = Physical::new(&[
        (0x00, 0x10d3_8086),
        (0x04, 0x0010_0000),
        (0x34, 0x48),
        (0x48, 0x0000_5003),
        (0x50, 0x01fe_0005),
    ]);
    let kind32 = BarKind::Memory32 { prefetchable: true };
    let mut bars: Bars = [None; 6];
    bars[1] = Some(Bar {
        index: 1,
        kind: kind32,
        address: 0xfd00_0000,
        size: 0x1000,
    });
    bars[2] = Some(Bar {
        index: 2,
        kind: BarKind::Io,
        address: 0xc000,
        size: 32,
    });
    let mut image = [0; BYTES];
    let layout = build(&mut image, &physical, Kind::Whole, bars);
    (image, layout)
}

#[test]
fn a_virtual_function_looks_like_an_ordinary_one() {
    let (image, _) = nvme();
    assert_eq!(image.read32(0x00), 0x0010_1b36);
    assert_eq!(image.read32(0x04), 0x0010_0000);
    assert_eq!(image.read32(0x08), 0x0108_0202);
    assert_eq!(image.read32(0x0c), 0);
    assert_eq!(image.read32(0x10), 0xfe81_4004);
    assert_eq!(image.read32(0x14), 0);
    assert_eq!(image.read32(0x2c), 0x1100_1af4);
    assert_eq!(image.read32(0x30), 0);
    assert_eq!(image.read32(0x3c), 0);
}

#[test]
fn only_harmless_capabilities_are_listed() {
    let (image, layout) = nvme();
    assert_eq!(image[0x34], 0x40);
    assert_eq!(image.read32(0x40), 0x0010_8011 & !0xff00 | 0x8000);
    assert_eq!(image.read32(0x44), 0x2000);
    assert_eq!(image.read32(0x48), 0x3000);
    // PCI Express is the last, at 0x80: the list never comes to 0x60.
    assert_eq!(image.read32(0x80) & 0xffff, 0x6010);
    assert_eq!(image.read32(0x60) & 0xffff, 0x0001);
    assert_eq!(image.read32(0x70), 0);
    assert!((0x100..BYTES).all(|offset| image[offset] == 0));
    assert_eq!(layout.msix(), Some(0x40));
}

#[test]
fn hidden_bits_of_capabilities_are_clear() {
    let (image, _) = nvme();
    // No PME, no D1 and D2, in D0; no error reporting; no transactions pending.
    assert_eq!(image.read32(0x60) >> 16, 0x0003);
    assert_eq!(image.read32(0x64), 0x8);
    assert_eq!(image.read32(0x88), 0x2810);
    let (image, _) = with_msi();
    // One message; 64-bit and masking stay.
    assert_eq!(image.read32(0x50), 0x0180_0005);
    assert_eq!(image[0x34], 0x50);
}

#[test]
fn bars_can_be_sized_but_not_moved() {
    let (mut image, layout) = nvme();
    assert_eq!(
        layout.write(&mut image, 0x10, 4, u32::MAX),
        Effect::ImageOnly
    );
    assert_eq!(
        layout.write(&mut image, 0x14, 4, u32::MAX),
        Effect::ImageOnly
    );
    assert_eq!(
        (image.read32(0x10), image.read32(0x14)),
        (0xffff_c004, 0xffff_ffff)
    );
    layout.write(&mut image, 0x10, 4, 0x1234_0000);
    layout.write(&mut image, 0x14, 4, 7);
    assert_eq!((image.read32(0x10), image.read32(0x14)), (0xfe81_4004, 0));
    assert_eq!(layout.write(&mut image, 0x18, 4, u32::MAX), Effect::None);
    assert_eq!(layout.write(&mut image, 0x30, 4, u32::MAX), Effect::None);
    assert_eq!((image.read32(0x18), image.read32(0x30)), (0, 0));
    let (mut image, layout) = with_msi();
    layout.write(&mut image, 0x14, 4, 0xffff_fff0);
    assert_eq!(image.read32(0x14), 0xffff_f008);
    assert_eq!(layout.write(&mut image, 0x18, 4, u32::MAX), Effect::None);
}

#[test]
fn the_command_register_is_forwarded_by_its_meaning() {
    let (mut image, layout) = nvme();
    let effect = layout.write(&mut image, 0x04, 2, 0xffff);
    assert_eq!(
        effect,
        Effect::Command {
            memory: true,
            bus_master: true
        }
    );
    assert_eq!(image.read32(0x04), 0x0010_0406);
    let effect = layout.write(&mut image, 0x04, 4, 0xffff_0002);
    assert_eq!(
        effect,
        Effect::Command {
            memory: true,
            bus_master: false
        }
    );
    assert_eq!(image.read32(0x04), 0x0010_0002);
    assert_eq!(layout.write(&mut image, 0x06, 2, 0xffff), Effect::None);
}

#[test]
fn msix_control_is_forwarded() {
    let (mut image, layout) = nvme();
    let effect = layout.write(&mut image, 0x42, 2, 0xc000);
    assert_eq!(
        effect,
        Effect::MsixControl {
            enable: true,
            mask_all: true
        }
    );
    let effect = layout.write(&mut image, 0x42, 2, 0x87ff);
    assert_eq!(
        effect,
        Effect::MsixControl {
            enable: true,
            mask_all: false
        }
    );
    assert_eq!(image.read32(0x40) >> 16, 0x8010);
    assert_eq!(layout.write(&mut image, 0x44, 4, 0), Effect::None);
}

#[test]
fn msi_gives_its_complete_state() {
    let (mut image, layout) = with_msi();
    layout.write(&mut image, 0x54, 4, 0xfee0_2003);
    layout.write(&mut image, 0x58, 4, 0x1);
    layout.write(&mut image, 0x5c, 2, 0x31);
    layout.write(&mut image, 0x60, 4, 0xffff_ffff);
    let effect = layout.write(&mut image, 0x52, 2, 0x0071);
    let state = Msi {
        enable: true,
        address: 0x1_fee0_2000,
        data: 0x31,
        masked: true,
    };
    assert_eq!(effect, Effect::Msi(state));
    assert_eq!(image.read32(0x50) >> 16, 0x0181);
    assert_eq!(layout.write(&mut image, 0x64, 4, 1), Effect::None);
}

#[test]
fn device_control_keeps_payload_sizes() {
    let (mut image, layout) = nvme();
    assert_eq!(
        layout.write(&mut image, 0x88, 2, 0x5f0f),
        Effect::DeviceControl(0x0800)
    );
    assert_eq!(image.read32(0x88), 0x2800);
    assert_eq!(layout.write(&mut image, 0x8a, 2, 0xf), Effect::None);
}

#[test]
fn a_function_level_reset_resets_the_image() {
    let (mut image, layout) = nvme();
    let fresh = image;
    layout.write(&mut image, 0x04, 2, 0x6);
    layout.write(&mut image, 0x42, 2, 0x8000);
    layout.write(&mut image, 0x3c, 1, 0x0b);
    layout.write(&mut image, 0x10, 4, u32::MAX);
    layout.write(&mut image, 0x64, 2, 0x3);
    assert_eq!(
        layout.write(&mut image, 0x88, 2, 0xa810),
        Effect::FunctionLevelReset
    );
    assert_eq!(image, fresh);
}

#[test]
fn a_reset_of_msi_leaves_its_neighbour_alone() {
    // 64-bit MSI without masks is 14 bytes; PCI Express follows right behind, without FLR.
    let physical = Physical::new(&[
        (0x04, 0x0010_0000),
        (0x34, 0xd0),
        (0xd0, 0x0080_e005),
        (0xe0, 0x0001_0010),
        (0xe4, 0x0000_8001),
    ]);
    let mut image = [0; BYTES];
    let layout = build(&mut image, &physical, Kind::Whole, [None; 6]);
    let fresh = image;
    assert_eq!(fresh.read32(0xe0), 0x0001_0010);
    layout.write(&mut image, 0xd4, 4, 0xfee0_0000);
    layout.write(&mut image, 0xdc, 2, 0x31);
    assert_eq!(
        layout.write(&mut image, 0xe8, 2, 0x8000),
        Effect::DeviceControl(0)
    );
    layout.reset(&mut image);
    assert_eq!(image, fresh);
}

#[test]
fn the_power_state_is_forwarded() {
    let (mut image, layout) = nvme();
    assert_eq!(
        layout.write(&mut image, 0x64, 2, 0xff03),
        Effect::PowerState(3)
    );
    assert_eq!(image.read32(0x64), 0xb);
}

#[test]
fn odd_writes_are_dropped() {
    let (mut image, layout) = nvme();
    let fresh = image;
    for (offset, bytes) in [
        (0x05, 2),
        (0x06, 4),
        (0x04, 3),
        (0x04, 8),
        (0x04, 0),
        (0x1000, 4),
        (0xffff, 1),
    ] {
        assert_eq!(layout.write(&mut image, offset, bytes, 0x6), Effect::None);
    }
    assert_eq!(image, fresh);
}

proptest! {
    #[test]
    fn no_write_changes_what_is_read_only(
        writes in prop::collection::vec((0_u16..0x1010, 0_u8..6, any::<u32>()), 0..200),
    ) {
        let (mut image, layout) = nvme();
        let fresh = image;
        for (offset, bytes, value) in writes {
            layout.write(&mut image, offset, bytes, value);
        }
        let writable = |at: usize| matches!(at, 0x04..0x06 | 0x0c | 0x10..0x18 | 0x3c | 0x43 | 0x64 | 0x88..0x8a);
        for at in (0..BYTES).filter(|at| !writable(*at)) {
            prop_assert_eq!(image[at], fresh[at], "{:#x}", at);
        }
        prop_assert!(matches!(image.read32(0x10), 0xfe81_4004 | 0xffff_c004));
        prop_assert_eq!(image.read32(0x88) & 0xf7ef, fresh.read32(0x88) & 0xf7ef);
    }

    #[test]
    fn any_function_gives_a_list_that_ends(
        bytes in prop::collection::vec(any::<u8>(), BYTES),
        list in prop::collection::vec((0x10_usize..0x40, prop::sample::select(&[1_u8, 5, 9, 16, 17])), 1..12),
    ) {
        let mut bytes: [u8; BYTES] = bytes.try_into().unwrap();
        bytes[0x06] |= 0x10;
        let mut link = 0x34;
        for (place, id) in list {
            let [start, ..] = (place * 4).to_le_bytes();
            bytes[link] = start;
            bytes[usize::from(start)] = id;
            link = usize::from(start) + 1;
        }
        let physical = Physical(RefCell::new(bytes));
        let mut image = [0; BYTES];
        let layout = build(&mut image, &physical, Kind::Whole, [None; 6]);
        let mut next = usize::from(image[0x34]);
        let mut steps = 0;
        while next != 0 {
            prop_assert!(matches!(image[next], 0x01 | 0x05 | 0x10 | 0x11));
            next = usize::from(image[next + 1]);
            steps += 1;
            prop_assert!(steps <= 4);
        }
        for offset in 0..256 {
            layout.write(&mut image, offset, 1, 0xff);
        }
    }
}
