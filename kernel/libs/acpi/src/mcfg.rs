//! The MCFG's windows onto PCI Express configuration space (PCI Firmware Specification
//! 3.3, section 4.1.2 "MCFG Table Description").

use addr::HostPhysical;
use byte_fields::{u16_at, u64_at};

use crate::table::{HEADER_BYTES, TableError, table};

const ENTRIES_OFFSET: usize = HEADER_BYTES + 8;
const ENTRY_BYTES: usize = 16;

/// One segment's window onto configuration space: 1 MiB for each bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcamRegion {
    /// Where bus 0 would be, even if the window begins at a later bus.
    pub base: HostPhysical,
    /// The PCI segment group.
    pub segment: u16,
    /// The first bus that the window shows.
    pub first_bus: u8,
    /// The last bus that the window shows, not below the first.
    pub last_bus: u8,
}

/// The windows that `bytes`, an MCFG, lists; entries with no bus are left out.
///
/// # Errors
/// The bytes are not an MCFG, or do not add up.
pub fn ecam_regions(bytes: &[u8]) -> Result<impl Iterator<Item = EcamRegion>, TableError> {
    let entries = table(bytes, b"MCFG")?
        .get(ENTRIES_OFFSET..)
        .unwrap_or_default();
    Ok(entries.chunks_exact(ENTRY_BYTES).filter_map(|entry| {
        let region = EcamRegion {
            base: HostPhysical::new(u64_at(entry, 0)?),
            segment: u16_at(entry, 8)?,
            first_bus: *entry.get(10)?,
            last_bus: *entry.get(11)?,
        };
        (region.first_bus <= region.last_bus).then_some(region)
    }))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::table::tests::sealed;

    #[test]
    fn a_window_is_read_and_an_empty_one_left_out() {
        let mut body = std::vec![0_u8; 8];
        body.extend_from_slice(&0xb000_0000_u64.to_le_bytes());
        body.extend_from_slice(&[0, 0, 0, 255, 0, 0, 0, 0]);
        body.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 8, 0, 0, 0, 0]);
        let found: Vec<_> = ecam_regions(&sealed(b"MCFG", &body)).unwrap().collect();
        let expected = EcamRegion {
            base: HostPhysical::new(0xb000_0000),
            segment: 0,
            first_bus: 0,
            last_bus: 255,
        };
        assert_eq!(found, [expected]);
    }
}
