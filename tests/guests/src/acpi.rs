//! Firmware's tables (ACPI 6.5, sections 5.2.5 to 5.2.8).

use crate::command_line::rsdp;
use crate::memory::Region;

/// More tables than there are.
const TABLES: u64 = 64;
/// The RSDP's addresses: the RSDT's, which old firmware has alone, and the XSDT's.
const RSDP_BYTES: u64 = 36;
const REVISION_OFFSET: u64 = 15;
const RSDT_OFFSET: u64 = 16;
const XSDT_OFFSET: u64 = 24;
/// The header of every table, and the length field in it.
const HEADER_BYTES: u64 = 36;
/// Where a table's length is.
pub const LENGTH_OFFSET: u64 = 4;

/// The table with `signature`.
#[must_use]
pub fn find_table(signature: [u8; 4]) -> Option<Region> {
    let pointer = Region::new(rsdp(), RSDP_BYTES)?;
    let (root, bytes) = match number::<u8>(&pointer, REVISION_OFFSET) {
        0 => (u64::from(number::<u32>(&pointer, RSDT_OFFSET)), 4),
        _ => (number(&pointer, XSDT_OFFSET), 8),
    };
    let root = table(root)?;
    let end = u64::from(number::<u32>(&root, LENGTH_OFFSET));
    let entry = |offset| match bytes {
        4 => u64::from(number::<u32>(&root, offset)),
        _ => number(&root, offset),
    };
    (0..TABLES)
        .map(|index| HEADER_BYTES.wrapping_add(index.wrapping_mul(bytes)))
        .take_while(|offset| offset.wrapping_add(bytes) <= end)
        .filter_map(|offset| table(entry(offset)))
        .find(|table| number::<u32>(table, 0) == u32::from_le_bytes(signature))
}

/// The table at `address`, with the length that it says.
fn table(address: u64) -> Option<Region> {
    let header = Region::new(address, HEADER_BYTES)?;
    Region::new(address, number::<u32>(&header, LENGTH_OFFSET).into())
}

/// A number that need not be aligned, as nothing in ACPI is.
#[must_use]
pub fn number<T: TryFrom<u64> + Default>(region: &Region, offset: u64) -> T {
    let bytes = u64::try_from(size_of::<T>()).unwrap_or(0);
    let value = (0..bytes).rev().fold(0_u64, |value, index| {
        value << 8 | u64::from(region.read::<u8>(offset.wrapping_add(index)))
    });
    T::try_from(value).unwrap_or_default()
}
