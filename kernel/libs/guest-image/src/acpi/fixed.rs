//! The tables that are plain structures: FADT, MADT, MCFG, SRAT and XSDT.

use alloc::vec::Vec;

use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::{Aml, AmlSink};
use addr::{ApicId, GuestPhysical};

use super::table::{OEM_ID, OEM_REVISION, OEM_TABLE_ID, table};
use super::{AcpiError, Description};
use crate::MemoryMap;
use crate::layout::{IO_APIC, LOCAL_APIC};

/// I/O ports of the registers that a partition's guest may power itself off or reset with.
pub mod port {
    /// Sleep control register (ACPI 6.5, section 4.8.3.7 "Sleep Control and Status Registers").
    pub const SLEEP_CONTROL: u16 = 0x600;
    /// Sleep status register.
    pub const SLEEP_STATUS: u16 = 0x601;
    /// Reset register (ACPI 6.5, section 4.8.3.6 "Reset Register").
    pub const RESET: u16 = 0x602;
}

/// The global system interrupt of the I/O APIC's one input: above those that PCs keep for ISA.
pub(super) const POWER_BUTTON_INTERRUPT: u32 = 16;

/// What a write to the reset register must be.
pub(crate) const RESET_VALUE: u8 = 1;

/// IA-PC boot architecture flags (ACPI 6.5, table 5.10): VGA and the CMOS RTC are absent.
/// The flags for legacy devices and for an 8042 stay clear.
const VGA_NOT_PRESENT: u16 = 1 << 2;
const CMOS_RTC_NOT_PRESENT: u16 = 1 << 5;

/// The fixed ACPI description table (ACPI 6.5, section 5.2.9).
///
/// Physical destination mode is forced: an inter-processor interrupt then names one core,
/// which is the shortest way through the check of a partition's ICR writes. The power button
/// is a device of the DSDT.
pub(super) fn fixed_description(differentiated: GuestPhysical) -> Vec<u8> {
    let mut builder = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .dsdt_64(differentiated.as_u64())
        .flag(Flags::Wbinvd)
        .flag(Flags::PwrButton)
        .flag(Flags::ResetRegSup)
        .flag(Flags::Headless)
        .flag(Flags::ForceApicPhysicalDestinationMode)
        .flag(Flags::HwReducedAcpi);
    builder.iapc_boot_arch = (VGA_NOT_PRESENT | CMOS_RTC_NOT_PRESENT).into();
    builder.reset_reg = io_register(port::RESET);
    builder.reset_value = RESET_VALUE;
    builder.sleep_control_reg = io_register(port::SLEEP_CONTROL);
    builder.sleep_status_reg = io_register(port::SLEEP_STATUS);
    let mut bytes = Vec::new();
    builder.finalize().to_aml_bytes(&mut bytes);
    bytes
}

/// An 8-bit register at an I/O port.
fn io_register(port: u16) -> GAS {
    GAS::new(
        AddressSpace::SystemIo,
        8,
        0,
        AccessSize::ByteAccess,
        port.into(),
    )
}

/// The multiple APIC description table (ACPI 6.5, section 5.2.12), with one processor local
/// x2APIC structure (section 5.2.12.12) a core, one I/O APIC (section 5.2.12.3) and no 8259s
/// (`PCAT_COMPAT` clear).
pub(super) fn interrupt_controllers(cores: &[ApicId]) -> Result<Vec<u8>, AcpiError> {
    const IO_APIC_STRUCTURE: u8 = 1;
    const PROCESSOR_LOCAL_X2APIC: u8 = 9;
    const ENABLED: u32 = 1;
    let low = |at: GuestPhysical| u32::try_from(at.as_u64()).map_err(|_| AcpiError::NoRoom);
    let mut body = Vec::new();
    body.dword(low(LOCAL_APIC)?);
    body.dword(0);
    body.byte(IO_APIC_STRUCTURE);
    body.byte(12);
    body.word(0);
    body.dword(low(IO_APIC)?);
    body.dword(POWER_BUTTON_INTERRUPT);
    for (uid, core) in (0_u32..).zip(cores) {
        body.byte(PROCESSOR_LOCAL_X2APIC);
        body.byte(16);
        body.word(0);
        body.dword(core.0);
        body.dword(ENABLED);
        body.dword(uid);
    }
    Ok(table(*b"APIC", 5, &body))
}

/// The memory-mapped configuration space table: bus 0 of segment 0 (PCI Firmware
/// Specification 3.3, section 4.1.2 "MCFG Table Description").
pub(super) fn configuration_space(map: &MemoryMap) -> Vec<u8> {
    let mut body = Vec::new();
    body.qword(0);
    body.qword(map.ecam().start().as_u64());
    body.word(0);
    body.byte(0);
    body.byte(0);
    body.dword(0);
    table(*b"MCFG", 1, &body)
}

/// The system resource affinity table (ACPI 6.5, section 5.2.16): every core and all RAM in
/// proximity domain 0.
pub(super) fn affinity(description: &Description<'_>) -> Vec<u8> {
    const MEMORY: u8 = 1;
    const PROCESSOR_LOCAL_X2APIC: u8 = 2;
    const ENABLED: u32 = 1;
    let mut body = Vec::new();
    // Reserved, 1 for compatibility, and reserved.
    body.dword(1);
    body.qword(0);
    for core in description.cores {
        body.byte(PROCESSOR_LOCAL_X2APIC);
        body.byte(24);
        body.word(0);
        body.dword(0);
        body.dword(core.0);
        body.dword(ENABLED);
        body.dword(0);
        body.dword(0);
    }
    for ram in description.map.ram() {
        body.byte(MEMORY);
        body.byte(40);
        body.dword(0);
        body.word(0);
        body.qword(ram.start().as_u64());
        body.qword(ram.bytes());
        body.dword(0);
        body.dword(ENABLED);
        body.qword(0);
    }
    table(*b"SRAT", 3, &body)
}

/// The extended system description table (ACPI 6.5, section 5.2.8).
pub(super) fn extended_root(entries: &[GuestPhysical]) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        body.qword(entry.as_u64());
    }
    table(*b"XSDT", 1, &body)
}
