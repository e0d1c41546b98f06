//! The header that all system description tables share (ACPI 6.5, section 5.2.6).

use byte_fields::{array_at, u32_at};
use thiserror::Error;

/// The bytes of a table's header.
pub const HEADER_BYTES: usize = 36;

/// The largest table that is believed: 16 MiB; a larger length is firmware's mistake.
const MAXIMUM_BYTES: u32 = 16 << 20;

/// Why bytes are not the table that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TableError {
    /// The bytes end before the structure does.
    #[error("it ends early")]
    Truncated,
    /// The signature is another one.
    #[error("it has another signature")]
    Signature,
    /// The length field is smaller than the header or beyond any sense.
    #[error("its length of {0} bytes is impossible")]
    Length(u32),
    /// The bytes do not add up to 0.
    #[error("its checksum is wrong")]
    Checksum,
}

/// What a table's header says, not yet checked against the table's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Four characters that name the table.
    pub signature: [u8; 4],
    /// The table's bytes, header included.
    pub length: u32,
}

impl Header {
    /// Reads a header, so that the caller knows how many bytes the table has.
    ///
    /// # Errors
    /// The bytes are too few, or the length is impossible.
    pub fn parse(bytes: &[u8]) -> Result<Self, TableError> {
        let signature = array_at(bytes, 0).ok_or(TableError::Truncated)?;
        let length = u32_at(bytes, 4).ok_or(TableError::Truncated)?;
        if !(HEADER_BYTES as u32..=MAXIMUM_BYTES).contains(&length) {
            return Err(TableError::Length(length));
        }
        Ok(Self { signature, length })
    }
}

/// The bytes of the table with `signature` at the start of `bytes`, cut to its own length.
///
/// # Errors
/// The bytes are too few, of another signature, or do not add up.
pub fn table<'a>(bytes: &'a [u8], signature: &[u8; 4]) -> Result<&'a [u8], TableError> {
    let header = Header::parse(bytes)?;
    if header.signature != *signature {
        return Err(TableError::Signature);
    }
    let table = bytes
        .get(..header.length as usize)
        .ok_or(TableError::Truncated)?;
    sums_to_zero(table)
        .then_some(table)
        .ok_or(TableError::Checksum)
}

/// Whether the bytes add up to 0, as every ACPI checksum wants.
pub fn sums_to_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0
}

#[cfg(test)]
pub(crate) mod tests {
    extern crate std;
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;

    /// A table with a right length and checksum around `body`.
    pub fn sealed(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut bytes = signature.to_vec();
        bytes.resize(HEADER_BYTES, 0);
        bytes.extend_from_slice(body);
        let length = u32::try_from(bytes.len()).unwrap();
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
        bytes
    }

    #[test]
    fn a_flipped_bit_anywhere_is_refused() {
        let good = sealed(b"MCFG", &[1, 2, 3]);
        assert!(table(&good, b"MCFG").is_ok());
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x10;
            assert!(table(&bad, b"MCFG").is_err(), "byte {index}");
        }
    }

    #[test]
    fn impossible_lengths_are_named() {
        let mut bytes = sealed(b"MCFG", &[]);
        bytes[4..8].copy_from_slice(&35_u32.to_le_bytes());
        assert_eq!(table(&bytes, b"MCFG"), Err(TableError::Length(35)));
        bytes[4..8].copy_from_slice(&37_u32.to_le_bytes());
        assert_eq!(table(&bytes, b"MCFG"), Err(TableError::Truncated));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = table(&bytes, b"APIC");
        }
    }
}
