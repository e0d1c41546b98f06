//! The frame that all tables share.

use alloc::vec::Vec;

use acpi_tables::sdt::Sdt;

/// Whose tables these are.
pub(super) const OEM_ID: [u8; 6] = *b"BULKHD";
/// Which tables these are.
pub(super) const OEM_TABLE_ID: [u8; 8] = *b"BULKHEAD";
/// The tables' own version.
pub(super) const OEM_REVISION: u32 = 1;

/// The header's size (ACPI 6.5, table 5.4 "DESCRIPTION_HEADER Fields").
const HEADER_BYTES: u32 = 36;

/// A table: header, length and checksum around `body`.
pub(super) fn table(signature: [u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table = Sdt::new(
        signature,
        HEADER_BYTES,
        revision,
        OEM_ID,
        OEM_TABLE_ID,
        OEM_REVISION,
    );
    table.append_slice(body);
    table.as_slice().to_vec()
}
