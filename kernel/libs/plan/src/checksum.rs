//! CRC-32C.

use core::fmt;

use crc::{CRC_32_ISCSI, Crc, Digest, Table};

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

/// The CRC-32C of bytes that come piece by piece.
pub struct Checksum(Digest<'static, u32, Lookup>);

impl Checksum {
    /// That of no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(CASTAGNOLI.digest())
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The CRC-32C of all of them.
    #[must_use]
    pub fn finish(self) -> u32 {
        self.0.finalize()
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Checksum").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn checksum_is_the_one_that_the_catalogue_of_crcs_gives() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    proptest! {
        #[test]
        fn pieces_have_the_checksum_of_the_whole(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            size in 1_usize..40,
        ) {
            let mut checksum = Checksum::new();
            bytes.chunks(size).for_each(|piece| checksum.update(piece));
            prop_assert_eq!(checksum.finish(), crc32c(&bytes));
        }
    }
}
