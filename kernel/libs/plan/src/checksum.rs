//! CRC-32C.

use crc::{CRC_32_ISCSI, Crc, Table};

/// On the host, where images are built: 16 KiB of table, several times as fast.
#[cfg(feature = "source")]
type Lookup = Table<16>;
/// In the kernel, which checks images by the instruction: 1 KiB of table.
#[cfg(not(feature = "source"))]
type Lookup = Table<1>;

static CASTAGNOLI: Crc<u32, Lookup> = Crc::<u32, Lookup>::new(&CRC_32_ISCSI);

/// The CRC-32C (Castagnoli) of `bytes`: the polynomial of the instruction `CRC32`
/// (Intel SDM 325383-080, volume 2A, "CRC32—Accumulate CRC32 Value"), started from all
/// ones and inverted at the end, which the instruction leaves to its user.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    CASTAGNOLI.checksum(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_is_the_one_that_the_catalogue_of_crcs_gives() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
