//! The firmware's ACPI tables, found in memory.

extern crate alloc;
use alloc::vec::Vec;

use acpi::{EcamRegion, HEADER_BYTES, Header, RSDP_BYTES, Root, SpcrError, TableError};
use addr::{ApicId, HostPhysical, Range};
use thiserror::Error;

use super::physical;

/// What Bulkhead takes from the tables.
pub struct Firmware {
    /// All enabled processors, in order.
    pub processors: Vec<ApicId>,
    /// The windows onto configuration space; empty if the machine has none.
    pub ecam: Vec<EcamRegion>,
    /// A copy of the DMAR table, if the machine has one: firmware's own memory is not mapped
    /// for long.
    pub dmar: Option<&'static [u8]>,
    /// The first I/O port of the 16550 that the SPCR names.
    pub serial_port: Result<u16, FirmwareError>,
}

/// Why the tables are of no use.
#[derive(Debug, Clone, Copy, Error)]
pub enum FirmwareError {
    /// The boot loader gave no RSDP.
    #[error("the boot loader passed no ACPI RSDP")]
    NoRsdp,
    /// A table that must be there is not.
    #[error("the firmware has no ACPI table {0}")]
    Missing(&'static str),
    /// A table is there, but not as it should be.
    #[error("the firmware's ACPI table {0}: {1}")]
    Bad(&'static str, TableError),
    /// The serial port that the SPCR names is not used.
    #[error("the firmware's ACPI table SPCR: {0}")]
    SerialPort(SpcrError),
}

/// Reads RSDP, root table, MADT, MCFG, DMAR and SPCR.
///
/// # Errors
/// There is no RSDP, root table or MADT, or one of the tables is damaged.
pub fn read(rsdp: Option<HostPhysical>) -> Result<Firmware, FirmwareError> {
    let rsdp = rsdp.ok_or(FirmwareError::NoRsdp)?;
    let bytes = at(rsdp, RSDP_BYTES as u64).ok_or(FirmwareError::NoRsdp)?;
    let root = Root::parse(bytes).map_err(|why| FirmwareError::Bad("RSDP", why))?;
    let root_bytes = whole_table(root.address()).ok_or(FirmwareError::Missing("XSDT"))?;
    let addresses =
        acpi::table_addresses(root, root_bytes).map_err(|why| FirmwareError::Bad("XSDT", why))?;
    let tables: Vec<&'static [u8]> = addresses.filter_map(whole_table).collect();
    let find = |signature: &[u8; 4]| tables.iter().find(|table| table.starts_with(signature));
    let madt = find(b"APIC").ok_or(FirmwareError::Missing("MADT"))?;
    let mut processors: Vec<_> = acpi::processors(madt)
        .map_err(|why| FirmwareError::Bad("MADT", why))?
        .collect();
    // One may be listed twice, as local APIC and as x2APIC.
    processors.sort_unstable();
    processors.dedup();
    let ecam = match find(b"MCFG") {
        Some(mcfg) => acpi::ecam_regions(mcfg)
            .map_err(|why| FirmwareError::Bad("MCFG", why))?
            .collect(),
        None => Vec::new(),
    };
    let serial_port = find(b"SPCR").ok_or(FirmwareError::Missing("SPCR"));
    let serial_port =
        serial_port.and_then(|spcr| acpi::serial_port(spcr).map_err(FirmwareError::SerialPort));
    Ok(Firmware {
        processors,
        ecam,
        dmar: find(b"DMAR").map(|table| &*table.to_vec().leak()),
        serial_port,
    })
}

/// The table at `address`, as long as its header says.
fn whole_table(address: HostPhysical) -> Option<&'static [u8]> {
    let header = Header::parse(at(address, HEADER_BYTES as u64)?).ok()?;
    at(address, header.length.into())
}

/// The bytes at `address`, which must lie in the first 4 GiB: what the boot tables map.
fn at(address: HostPhysical, bytes: u64) -> Option<&'static [u8]> {
    let range = Range::new(address, bytes)?;
    if address.as_u64() == 0 || range.end().as_u64() > 1 << 32 {
        return None;
    }
    // SAFETY: the boot tables map the first 4 GiB; firmware's tables are nobody's to write.
    Some(unsafe { physical::bytes(range) })
}
