//! The cores that the MADT lists (ACPI 6.5, section 5.2.12).

use crate::acpi::{LENGTH_OFFSET, find_table, number};
use crate::memory::Region;

/// More cores than a test needs.
const CORES: usize = 64;
/// The first structure in a MADT.
const STRUCTURES_OFFSET: u64 = 44;
/// Types of structure, and the flag that both have.
const LOCAL_APIC: u8 = 0;
const LOCAL_X2APIC: u8 = 9;
const ENABLED: u32 = 1;

/// The APIC IDs of the machine's cores.
pub fn apic_ids() -> impl Iterator<Item = u32> {
    let mut ids = [None; CORES];
    if let Some(madt) = find_table(*b"APIC") {
        let end = u64::from(number::<u32>(&madt, LENGTH_OFFSET));
        let mut places = ids.iter_mut();
        let mut at = STRUCTURES_OFFSET;
        while at < end {
            let bytes: u8 = number(&madt, at.wrapping_add(1));
            if let Some((id, place)) = apic_id(&madt, at).zip(places.next()) {
                *place = Some(id);
            }
            at = at.wrapping_add(u64::from(bytes.max(2)));
        }
    }
    ids.into_iter().flatten()
}

/// The APIC ID in the structure at `at`, if it is an enabled core's.
fn apic_id(madt: &Region, at: u64) -> Option<u32> {
    let byte = |offset: u64| number::<u8>(madt, at.wrapping_add(offset));
    let number = |offset: u64| number::<u32>(madt, at.wrapping_add(offset));
    match byte(0) {
        LOCAL_APIC if number(4) & ENABLED != 0 => Some(byte(3).into()),
        LOCAL_X2APIC if number(8) & ENABLED != 0 => Some(number(4)),
        _ => None,
    }
}
