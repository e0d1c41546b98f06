//! The MADT's processors (ACPI 6.5, section 5.2.12 "Multiple APIC Description Table").

use addr::ApicId;
use byte_fields::{u16_at, u32_at};

use crate::table::{HEADER_BYTES, TableError, table};

const LOCAL_APIC: u8 = 0;
const LOCAL_X2APIC: u8 = 9;
const ENABLED: u32 = 1 << 0;
/// Local interrupt controller address and flags stand before the first entry.
const ENTRIES_OFFSET: usize = HEADER_BYTES + 8;

/// The APIC IDs of all processors that `bytes`, a MADT, says are enabled.
///
/// # Errors
/// The bytes are not a MADT, or do not add up.
pub fn processors(bytes: &[u8]) -> Result<impl Iterator<Item = ApicId>, TableError> {
    let mut rest = table(bytes, b"APIC")?
        .get(ENTRIES_OFFSET..)
        .unwrap_or_default();
    let entries = core::iter::from_fn(move || {
        let kind = *rest.first()?;
        let length = usize::from(*rest.get(1)?);
        // A length of less than its own two bytes would go round for ever: the list ends.
        let entry = (length >= 2).then(|| rest.get(..length))??;
        rest = rest.get(length..)?;
        Some((kind, entry))
    });
    Ok(entries.filter_map(|(kind, entry)| processor(kind, entry)))
}

/// The processor that one entry names, if it does and it is enabled.
fn processor(kind: u8, entry: &[u8]) -> Option<ApicId> {
    let (id, flags) = match kind {
        LOCAL_APIC => (
            u32::from(u16_at(entry, 2)?.to_le_bytes()[1]),
            u32_at(entry, 4)?,
        ),
        LOCAL_X2APIC => (u32_at(entry, 4)?, u32_at(entry, 8)?),
        _ => return None,
    };
    (flags & ENABLED != 0).then_some(ApicId(id))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;
    use crate::table::tests::sealed;

    fn madt(entries: &[u8]) -> Vec<u8> {
        let mut body = std::vec![0_u8; 8];
        body.extend_from_slice(entries);
        sealed(b"APIC", &body)
    }

    #[test]
    fn enabled_processors_of_both_kinds_are_found() {
        let table = madt(&[
            0, 8, 0, 1, 1, 0, 0, 0, // local APIC 1, enabled
            0, 8, 1, 2, 0, 0, 0, 0, // local APIC 2, disabled
            1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // an I/O APIC
            9, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, // x2APIC 256
        ]);
        let found: Vec<_> = processors(&table).unwrap().collect();
        assert_eq!(found, [ApicId(1), ApicId(256)]);
    }

    #[test]
    fn an_entry_of_no_length_ends_the_list() {
        let table = madt(&[0, 8, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(processors(&table).unwrap().count(), 1);
    }

    proptest! {
        #[test]
        fn any_entries_are_survived(entries: Vec<u8>) {
            let table = madt(&entries);
            prop_assert!(processors(&table).unwrap().count() <= entries.len());
        }
    }
}
