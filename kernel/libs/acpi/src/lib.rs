//! The firmware's ACPI tables, read as untrusted bytes: RSDP, RSDT and XSDT, MADT, MCFG,
//! SPCR.
//!
//! Every length and checksum is checked before what it covers is believed; no table can
//! make a reader panic or loop. Nothing here knows how memory is reached: the caller hands
//! in each table's bytes. The DMAR table is in the `vtd` library, AML is not read at all.
//!
//! Source: ACPI Specification 6.5, sections 5.2.5 to 5.2.12, PCI Firmware Specification 3.3,
//! section 4.1.2 "MCFG Table Description", and Microsoft's Serial Port Console Redirection
//! Table.

#![no_std]
#![forbid(unsafe_code)]

mod madt;
mod mcfg;
mod root;
mod spcr;
mod table;

pub use madt::processors;
pub use mcfg::{EcamRegion, ecam_regions};
pub use root::{RSDP_BYTES, Root, table_addresses};
pub use spcr::{SpcrError, serial_port};
pub use table::{HEADER_BYTES, Header, TableError, table};
