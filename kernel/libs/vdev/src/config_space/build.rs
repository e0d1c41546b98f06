//! Builds the image from the physical function's configuration space.

use pci_config::bar::{Bar, BarKind, Bars};
use pci_config::{CapabilityId, ConfigSpace, capability, express, header};

use super::write::{MSI_64_BIT, MSI_MASKING, bar_address};
use super::{BYTES, DEVICE_CONTROL_BITS, Image, Kind, Layout};

/// Status: the capability list exists. The upper half of the dword with the command.
pub(super) const STATUS_LIST: u32 = (header::STATUS_CAPABILITIES_LIST as u32) << 16;
/// Power Management Capabilities without PME support (bits 15:11), D1 and D2 (10:9) and
/// auxiliary current (8:6).
const POWER_MANAGEMENT_BITS: u32 = 0x003f << 16;
/// PMCSR, `No_Soft_Reset`.
const NO_SOFT_RESET: u32 = 1 << 3;
/// MSI Message Control: 64-bit address, and a mask bit for each vector.
const MSI_BITS: u32 = MSI_64_BIT | MSI_MASKING;
/// Device Capabilities without phantom functions (bits 4:3) and captured slot power.
const DEVICE_CAPABILITIES_BITS: u32 = 0x1000_8fe7;
/// MSI-X Message Control: only the size of the table.
const MSIX_BITS: u32 = (pci_config::msix::CONTROL_TABLE_SIZE as u32) << 16;

/// Fills `image` for the function whose own registers are `physical` and whose `bars` the guest
/// has at these addresses, and says where the writable registers are. The function is not
/// written to.
///
/// The image starts in the state after reset: nothing decodes, nothing is enabled.
pub fn build(
    image: &mut impl Image,
    physical: &impl ConfigSpace,
    kind: Kind,
    bars: Bars,
) -> Layout {
    for offset in (0_u16..).step_by(4).take(BYTES / 4) {
        image.write32(offset, 0);
    }
    let identity = match kind {
        Kind::Whole => physical.read32(header::VENDOR_ID),
        Kind::Virtual { vendor, device } => u32::from(device) << 16 | u32::from(vendor),
    };
    image.write32(header::VENDOR_ID, identity);
    image.write32(header::REVISION_ID, physical.read32(header::REVISION_ID));
    let subsystem = header::SUBSYSTEM_VENDOR_ID;
    image.write32(subsystem, physical.read32(subsystem));
    let mut layout = Layout {
        bars: sane(bars),
        power_management: 0,
        msi: 0,
        express: 0,
        msix: 0,
    };
    for bar in layout.bars.iter().flatten() {
        write_bar(image, bar);
    }
    build_capabilities(image, physical, &mut layout);
    layout
}

/// Without I/O BARs, and without what cannot be: a size that is no power of two, or a 64-bit
/// BAR in the last register.
fn sane(bars: Bars) -> Bars {
    let memory = |bar: &Bar| bar.kind != BarKind::Io && bar.size.is_power_of_two();
    let in_place = |bar: &Bar, index: usize| {
        usize::from(bar.index) == index && !(bar.kind.takes_two_registers() && index >= 5)
    };
    let mut kept: Bars = [None; 6];
    for (index, (slot, bar)) in kept.iter_mut().zip(bars).enumerate() {
        *slot = bar.filter(|bar| memory(bar) && in_place(bar, index));
    }
    kept
}

pub(super) fn write_bar(image: &mut impl Image, bar: &Bar) {
    let offset = bar_offset(bar.index);
    let (low, high) = bar_address(bar);
    image.write32(offset, low);
    if bar.kind.takes_two_registers() {
        image.write32(offset.wrapping_add(4), high);
    }
}

/// The offset of base address register `index`.
pub(super) fn bar_offset(index: u8) -> u16 {
    header::BASE_ADDRESS_0.wrapping_add(u16::from(index).wrapping_mul(4))
}

/// Copies the capabilities that a guest may see, each to its own place, and links them.
fn build_capabilities(image: &mut impl Image, physical: &impl ConfigSpace, layout: &mut Layout) {
    // The dword, and the bits of it, where the link to the next one goes.
    let mut link = (header::CAPABILITIES_POINTER, 0_u32);
    // Start and end of those that are in the image; four kinds, each at most once.
    let mut kept = [(0_u16, 0_u16); 4];
    for found in capability::capabilities(physical) {
        let place = match found.id {
            CapabilityId::POWER_MANAGEMENT => &mut layout.power_management,
            CapabilityId::MSI => &mut layout.msi,
            CapabilityId::EXPRESS => &mut layout.express,
            CapabilityId::MSIX => &mut layout.msix,
            _ => continue,
        };
        let bytes = length(physical, found);
        let end = found.offset.wrapping_add(bytes);
        // A list that repeats itself, or capabilities that overlap or leave the 256 bytes.
        let overlaps = kept
            .iter()
            .any(|(start, stop)| found.offset < *stop && *start < end);
        if *place != 0 || end > 0x100 || overlaps {
            continue;
        }
        if let Some(slot) = kept.iter_mut().find(|(_, stop)| *stop == 0) {
            *slot = (found.offset, end);
        }
        *place = found.offset;
        let (dword, shift) = link;
        let pointer = u32::from(found.offset).wrapping_shl(shift);
        image.write32(dword, image.read32(dword) | pointer);
        link = (found.offset, 8);
        copy(image, physical, found);
        image.write32(header::COMMAND, STATUS_LIST);
    }
}

/// The bytes of a capability that a guest sees.
fn length(physical: &impl ConfigSpace, found: capability::Capability) -> u16 {
    match found.id {
        CapabilityId::POWER_MANAGEMENT => 8,
        CapabilityId::MSI => msi_length(physical.read32(found.offset)),
        // Up to Link Status. The registers ending in 2 read zero.
        CapabilityId::EXPRESS => 0x14,
        _ => 12,
    }
}

/// The bytes of an MSI capability whose first dword is `control`, in whole dwords (section
/// 7.7.1 "MSI Capability Structures").
pub(super) const fn msi_length(control: u32) -> u16 {
    match (control & MSI_64_BIT != 0, control & MSI_MASKING != 0) {
        (false, false) => 12,
        (true, false) => 16,
        (false, true) => 20,
        (true, true) => 24,
    }
}

fn copy(image: &mut impl Image, physical: &impl ConfigSpace, found: capability::Capability) {
    let at = |offset: u16| found.offset.wrapping_add(offset);
    let mut put = |offset: u16, mask: u32| {
        let kept = image.read32(at(offset)) | physical.read32(at(offset)) & mask;
        image.write32(at(offset), kept);
    };
    match found.id {
        CapabilityId::POWER_MANAGEMENT => {
            put(0, POWER_MANAGEMENT_BITS | 0xff);
            put(4, NO_SOFT_RESET);
        }
        CapabilityId::MSI => put(0, MSI_BITS | 0xff),
        CapabilityId::EXPRESS => {
            // The kind of port and the version; no slot, no interrupt message number.
            put(0, 0x00ff_00ff);
            put(express::DEVICE_CAPABILITIES, DEVICE_CAPABILITIES_BITS);
            // Device Control and Status: payload sizes and what else firmware chose.
            put(
                express::DEVICE_CONTROL,
                0x70e0 | u32::from(DEVICE_CONTROL_BITS),
            );
            // Link Capabilities without power management (ASPM), and Link Status.
            put(0x0c, 0x0000_03ff);
            put(0x10, 0x03ff_0000);
        }
        _ => {
            put(0, MSIX_BITS | 0xff);
            put(pci_config::msix::TABLE, u32::MAX);
            put(pci_config::msix::PENDING, u32::MAX);
        }
    }
}
