//! The differentiated system description table: the devices, in AML.
//!
//! ACPI 6.5, chapter 6 "Device Configuration" for the objects and resource descriptors,
//! chapter 20 "ACPI Machine Language (AML) Specification" for the encoding.

use alloc::vec::Vec;

use acpi_tables::aml::{
    AddressSpace, AddressSpaceCacheable, Device, EISAName, IO, Interrupt, Memory32Fixed, Method,
    Name, Notify, Package, Path, ResourceTemplate, Scope,
};
use acpi_tables::{Aml, AmlSink};
use addr::{GuestPhysical, Range};

use super::fixed::POWER_BUTTON_INTERRUPT;
use super::table::table;
use super::{AcpiError, Description};
use crate::MemoryMap;

/// The sleep type of soft off: what the guest writes to the sleep control register for it.
const SOFT_OFF: u8 = 5;
/// The serial port's first I/O port and the number of its ports.
const SERIAL_PORT: u16 = 0x3f8;
const SERIAL_PORTS: u8 = 8;
/// `_STA`: present, enabled, shown, functioning (ACPI 6.5, section 6.3.7 "_STA (Device
/// Status)").
const STATUS_WORKING: u8 = 0xf;
/// The notification of a button that was pressed (ACPI 6.5, section 5.6.6 "Device Object
/// Notifications").
const PRESSED: u8 = 0x80;

/// The table for `description`.
pub(super) fn differentiated(description: &Description<'_>) -> Result<Vec<u8>, AcpiError> {
    let mut devices = Encoded::default();
    devices.add(&pci_root(description)?);
    devices.add(&reserved(description.map));
    devices.add(&serial_port());
    devices.add(&power_button());
    devices.add(&events());
    for (uid, _) in (0_u32..).zip(description.cores) {
        devices.add(&processor(uid));
    }
    let mut body = Vec::new();
    soft_off().to_aml_bytes(&mut body);
    Scope::new(Path::new("\\_SB_"), alloc::vec![&devices]).to_aml_bytes(&mut body);
    Ok(table(*b"DSDT", 2, &body))
}

/// `\_S5`: the values for the sleep control register; the second is for another register that
/// hardware-reduced systems do not have (ACPI 6.5, section 7.4.2 "\_Sx (System States)").
fn soft_off() -> Name {
    let package = Package::new(alloc::vec![&SOFT_OFF, &SOFT_OFF, &0_u8, &0_u8]);
    Name::new(Path::new("\\_S5_"), &package)
}

/// The PCI root: segment 0, bus 0 alone, the given memory windows and no I/O ports.
fn pci_root(description: &Description<'_>) -> Result<Encoded, AcpiError> {
    let mut resources = Encoded::default();
    resources.add(&AddressSpace::new_bus_number(0_u16, 0_u16));
    for window in description.windows {
        add_window(&mut resources, *window)?;
    }
    Ok(device(
        "PCI0",
        &[
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0A08")),
            &Name::new(Path::new("_CID"), &EISAName::new("PNP0A03")),
            &Name::new(Path::new("_SEG"), &0_u8),
            &Name::new(Path::new("_BBN"), &0_u8),
            &Name::new(Path::new("_UID"), &0_u8),
            &current_resources(&resources),
        ],
    ))
}

/// A memory window in the narrowest descriptor that holds it.
fn add_window(resources: &mut Encoded, window: Range<GuestPhysical>) -> Result<(), AcpiError> {
    let kind = AddressSpaceCacheable::NotCacheable;
    let (first, last) = (
        window.start().as_u64(),
        window.end().as_u64().saturating_sub(1),
    );
    match (u32::try_from(first), u32::try_from(last)) {
        (Ok(first), Ok(last)) => {
            resources.add(&AddressSpace::new_memory(kind, true, first, last, None));
        }
        (Err(_), Err(_)) => {
            resources.add(&AddressSpace::new_memory(kind, true, first, last, None));
        }
        _ => return Err(AcpiError::CrossesFourGib { window }),
    }
    Ok(())
}

/// The motherboard resource that reserves the configuration space, as the PCI Firmware
/// Specification 3.3 asks for (section 4.1.2 "MCFG Table Description", note 2).
fn reserved(map: &MemoryMap) -> Encoded {
    let mut resources = Encoded::default();
    let ecam = map.ecam();
    // It lies below 4 GiB.
    let (start, bytes) = (ecam.start().as_u64() as u32, ecam.bytes() as u32);
    resources.add(&Memory32Fixed::new(true, start, bytes));
    device(
        "ECAM",
        &[
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0C02")),
            &Name::new(Path::new("_UID"), &0_u8),
            &current_resources(&resources),
        ],
    )
}

/// The 16550, without an interrupt: Linux then polls it.
fn serial_port() -> Encoded {
    let mut resources = Encoded::default();
    resources.add(&IO::new(SERIAL_PORT, SERIAL_PORT, 1, SERIAL_PORTS));
    device(
        "COM1",
        &[
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0501")),
            &Name::new(Path::new("_UID"), &0_u8),
            &Name::new(Path::new("_STA"), &STATUS_WORKING),
            &current_resources(&resources),
        ],
    )
}

/// The power button as a device (ACPI 6.5, section 4.8.2.2.1.2 "Control Method Power
/// Button").
fn power_button() -> Encoded {
    device(
        "PWRB",
        &[
            &Name::new(Path::new("_HID"), &EISAName::new("PNP0C0C")),
            &Name::new(Path::new("_UID"), &0_u8),
        ],
    )
}

/// The device by whose interrupt a hardware-reduced system tells of events (ACPI 6.5, section
/// 5.6.9 "Interrupt-signaled ACPI Events"). There is one event: the power button was pressed.
fn events() -> Encoded {
    let mut resources = Encoded::default();
    let (consumer, edge, active_low, shared) = (true, true, false, false);
    let interrupt = Interrupt::new(consumer, edge, active_low, shared, POWER_BUTTON_INTERRUPT);
    resources.add(&interrupt);
    let button = Path::new("PWRB");
    let press = Notify::new(&button, &PRESSED);
    device(
        "GED0",
        &[
            &Name::new(Path::new("_HID"), &"ACPI0013"),
            &Name::new(Path::new("_UID"), &0_u8),
            &current_resources(&resources),
            &Method::new(Path::new("_EVT"), 1, true, alloc::vec![&press]),
        ],
    )
}

/// A processor device (ACPI 6.5, section 8.4 "Declaring Processors"), whose `_UID` is that of
/// its entry in the MADT.
fn processor(uid: u32) -> Encoded {
    let digit = |shift: u32| char::from_digit((uid >> shift) & 0xf, 16).unwrap_or('0');
    let digits = [digit(8), digit(4), digit(0)];
    let mut name = alloc::string::String::from("C");
    name.extend(digits.iter().map(char::to_ascii_uppercase));
    device(
        &name,
        &[
            &Name::new(Path::new("_HID"), &"ACPI0007"),
            &Name::new(Path::new("_UID"), &uid),
        ],
    )
}

/// `_CRS` with the given descriptors.
fn current_resources(resources: &Encoded) -> Name {
    let template = ResourceTemplate::new(alloc::vec![resources]);
    Name::new(Path::new("_CRS"), &template)
}

/// A device of four letters with the given objects.
fn device(name: &str, objects: &[&dyn Aml]) -> Encoded {
    let mut bytes = Encoded::default();
    bytes.add(&Device::new(Path::new(name), objects.to_vec()));
    bytes
}

/// AML that is already in bytes, so that its parts need not live on.
#[derive(Default)]
struct Encoded(Vec<u8>);

impl Encoded {
    fn add(&mut self, part: &dyn Aml) {
        part.to_aml_bytes(&mut self.0);
    }
}

impl Aml for Encoded {
    fn to_aml_bytes(&self, sink: &mut dyn AmlSink) {
        sink.vec(&self.0);
    }
}
