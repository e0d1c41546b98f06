//! RSDP and the root table that it points to (ACPI 6.5, sections 5.2.5, 5.2.7, 5.2.8).

use addr::HostPhysical;
use byte_fields::{array_at, u32_at, u64_at};

use crate::table::{HEADER_BYTES, TableError, sums_to_zero, table};

/// The bytes of an RSDP of revision 2; one of revision 0 has the first 20 of them.
pub const RSDP_BYTES: usize = 36;
const RSDP_V1_BYTES: usize = 20;

/// Where the root table is and how wide its entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The RSDT, entries of 32 bits.
    Rsdt(HostPhysical),
    /// The XSDT, entries of 64 bits.
    Xsdt(HostPhysical),
}

impl Root {
    /// Reads an RSDP.
    ///
    /// # Errors
    /// The bytes are too few, are no RSDP, or do not add up.
    pub fn parse(rsdp: &[u8]) -> Result<Self, TableError> {
        if array_at(rsdp, 0) != Some(*b"RSD PTR ") {
            return Err(TableError::Signature);
        }
        let first = rsdp.get(..RSDP_V1_BYTES).ok_or(TableError::Truncated)?;
        if !sums_to_zero(first) {
            return Err(TableError::Checksum);
        }
        let revision = rsdp.get(15).copied().ok_or(TableError::Truncated)?;
        if revision < 2 {
            let address = u32_at(rsdp, 16).ok_or(TableError::Truncated)?;
            return Ok(Self::Rsdt(HostPhysical::new(address.into())));
        }
        let whole = rsdp.get(..RSDP_BYTES).ok_or(TableError::Truncated)?;
        if !sums_to_zero(whole) {
            return Err(TableError::Checksum);
        }
        let address = u64_at(rsdp, 24).ok_or(TableError::Truncated)?;
        Ok(Self::Xsdt(HostPhysical::new(address)))
    }

    /// The root table's own address.
    #[must_use]
    pub const fn address(self) -> HostPhysical {
        match self {
            Self::Rsdt(address) | Self::Xsdt(address) => address,
        }
    }
}

/// The addresses of all tables that the root table's `bytes` name.
///
/// # Errors
/// The bytes are not the root table that `root` says.
pub fn table_addresses(
    root: Root,
    bytes: &[u8],
) -> Result<impl Iterator<Item = HostPhysical>, TableError> {
    let (signature, width) = match root {
        Root::Rsdt(_) => (b"RSDT", 4),
        Root::Xsdt(_) => (b"XSDT", 8),
    };
    let table = table(bytes, signature)?;
    let entries = table
        .get(HEADER_BYTES..)
        .unwrap_or_default()
        .chunks_exact(width);
    Ok(entries.filter_map(|entry| {
        u64_at(entry, 0)
            .or_else(|| u32_at(entry, 0).map(u64::from))
            .map(HostPhysical::new)
    }))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::table::tests::sealed;

    #[test]
    fn a_root_table_lists_its_tables() {
        let body: Vec<u8> = [0x1000_u64, 0x2000]
            .iter()
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let root = Root::Xsdt(HostPhysical::new(0));
        let bytes = sealed(b"XSDT", &body);
        let found: Vec<_> = table_addresses(root, &bytes).unwrap().collect();
        assert_eq!(
            found,
            [HostPhysical::new(0x1000), HostPhysical::new(0x2000)]
        );
        assert!(table_addresses(Root::Rsdt(HostPhysical::new(0)), &bytes).is_err());
    }

    #[test]
    fn an_old_rsdp_names_the_rsdt() {
        let mut rsdp = [0_u8; RSDP_BYTES];
        rsdp[..8].copy_from_slice(b"RSD PTR ");
        rsdp[16..20].copy_from_slice(&0x7ff0_u32.to_le_bytes());
        rsdp[8] = rsdp[..20]
            .iter()
            .fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        assert_eq!(
            Root::parse(&rsdp),
            Ok(Root::Rsdt(HostPhysical::new(0x7ff0)))
        );
        rsdp[8] ^= 1;
        assert_eq!(Root::parse(&rsdp), Err(TableError::Checksum));
    }
}
