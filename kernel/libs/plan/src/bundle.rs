//! The bundle: the one boot module, with the compiled plan and the guests' images.
//!
//! A header of 32 bytes, a table of entries of 64 bytes each, and the entries' bytes, each
//! from a page boundary on. Numbers are little-endian.
//!
//! | offset | bytes | header |
//! |---|---|---|
//! | 0 | 8 | magic `BLKHBNDL` |
//! | 8 | 4 | version of the format |
//! | 12 | 4 | number of entries |
//! | 16 | 8 | length of the bundle in bytes |
//! | 24 | 4 | CRC-32C of header and table, with this field zero |
//! | 28 | 4 | zero |
//!
//! | offset | bytes | entry |
//! |---|---|---|
//! | 0 | 32 | name, UTF-8, filled up with zeros |
//! | 32 | 8 | offset from the start of the bundle |
//! | 40 | 8 | length in bytes |
//! | 48 | 4 | CRC-32C |
//! | 52 | 12 | zero |
//!
//! [`Bundle::parse`] shows that header and table are sound; [`Bundle::verify`] shows it for
//! one entry, so that a damaged image costs only the partitions that use it.

use core::ops::Range;

use addr::PageSize;
use byte_fields::{u32_at, u64_at};
use thiserror::Error;

use crate::{ImageIndex, crc32c};

/// The version of the bundle's format.
pub const BUNDLE_VERSION: u32 = 1;
/// The most entries that a bundle may have.
pub const MAX_ENTRIES: u32 = 1024;
/// The most bytes of an entry's name.
pub const MAX_ENTRY_NAME: usize = 32;

pub(crate) const MAGIC: [u8; 8] = *b"BLKHBNDL";
pub(crate) const HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 64;
pub(crate) const CHECKSUM_FIELD: Range<usize> = 24..28;

/// Why bytes are no bundle, or an entry is unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BundleError {
    /// The bytes do not start as a bundle does.
    #[error("the boot module is no bundle")]
    NotABundle,
    /// The bundle is of another version of the format.
    #[error("the bundle has format version {0}, this Bulkhead takes {BUNDLE_VERSION}")]
    Version(u32),
    /// The bundle has more bytes, by its header, than there are.
    #[error("the bundle is cut off")]
    CutOff,
    /// The bundle has too many entries.
    #[error("the bundle has {0} entries, more than {MAX_ENTRIES}")]
    TooManyEntries(u32),
    /// The checksum of header and table is wrong.
    #[error("the bundle's header is damaged")]
    HeaderChecksum,
    /// An entry is not aligned, or does not lie within the bundle.
    #[error("entry {} lies outside the bundle", .0.0)]
    Entry(ImageIndex),
    /// There is no such entry.
    #[error("the bundle has no image {}", .0.0)]
    NoEntry(ImageIndex),
    /// The entry has no bytes.
    #[error("entry {} has no bytes", .0.0)]
    EmptyEntry(ImageIndex),
    /// The entry's checksum is wrong.
    #[error("its checksum is {found:#010x}, not {expected:#010x}")]
    EntryChecksum {
        /// The checksum that the table gives.
        expected: u32,
        /// The checksum of the entry's bytes.
        found: u32,
    },
}

/// A bundle whose header and table are sound.
#[derive(Debug, Clone, Copy)]
pub struct Bundle<'a> {
    bytes: &'a [u8],
    pub(crate) count: u32,
}

/// One entry of the table.
struct Entry {
    offset: u64,
    length: u64,
    checksum: u32,
}

impl<'a> Bundle<'a> {
    /// Reads header and table. Bytes behind the bundle's end are left alone: a boot loader
    /// may round a module up.
    ///
    /// # Errors
    /// Says why `bytes` are no bundle.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BundleError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(BundleError::NotABundle);
        }
        let version = u32_at(bytes, 8).ok_or(BundleError::CutOff)?;
        if version != BUNDLE_VERSION {
            return Err(BundleError::Version(version));
        }
        let count = u32_at(bytes, 12).ok_or(BundleError::CutOff)?;
        if count > MAX_ENTRIES {
            return Err(BundleError::TooManyEntries(count));
        }
        let total = u64_at(bytes, 16).and_then(|total| usize::try_from(total).ok());
        let bytes = total
            .and_then(|total| bytes.get(..total))
            .ok_or(BundleError::CutOff)?;
        let table_end = table_end(count).ok_or(BundleError::CutOff)?;
        let head = bytes.get(..table_end).ok_or(BundleError::CutOff)?;
        if u32_at(head, CHECKSUM_FIELD.start) != Some(head_checksum(head)) {
            return Err(BundleError::HeaderChecksum);
        }
        let bundle = Self { bytes, count };
        for index in (0..count)
            .filter_map(|index| u16::try_from(index).ok())
            .map(ImageIndex)
        {
            bundle.bytes_of(index).ok_or(BundleError::Entry(index))?;
        }
        Ok(bundle)
    }

    /// The bytes of an entry, whose checksum was not looked at.
    #[must_use]
    pub fn entry(&self, index: ImageIndex) -> Option<&'a [u8]> {
        self.bytes_of(index)
    }

    /// The CRC-32C that an entry has by the bundle's table.
    #[must_use]
    pub fn checksum(&self, index: ImageIndex) -> Option<u32> {
        Some(self.table_entry(index)?.checksum)
    }

    /// The bytes of an entry whose checksum, as `checksum` computes it, is right.
    ///
    /// # Errors
    /// There is no such entry, or its checksum is wrong.
    pub fn verify(
        &self,
        index: ImageIndex,
        checksum: impl Fn(&[u8]) -> u32,
    ) -> Result<&'a [u8], BundleError> {
        let missing = BundleError::NoEntry(index);
        let expected = self.checksum(index).ok_or(missing)?;
        let bytes = self.bytes_of(index).ok_or(missing)?;
        let found = checksum(bytes);
        if found != expected {
            return Err(BundleError::EntryChecksum { expected, found });
        }
        Ok(bytes)
    }

    fn table_entry(&self, index: ImageIndex) -> Option<Entry> {
        let row = self.row(index)?;
        Some(Entry {
            offset: u64_at(row, 32)?,
            length: u64_at(row, 40)?,
            checksum: u32_at(row, 48)?,
        })
    }

    /// The bytes of an entry of the table.
    pub(crate) fn row(&self, index: ImageIndex) -> Option<&'a [u8]> {
        if u32::from(index.0) >= self.count {
            return None;
        }
        let start = usize::from(index.0)
            .checked_mul(ENTRY_BYTES)?
            .checked_add(HEADER_BYTES)?;
        self.bytes.get(start..start.checked_add(ENTRY_BYTES)?)
    }

    /// The entry's bytes if they are aligned and lie behind the table, within the bundle.
    fn bytes_of(&self, index: ImageIndex) -> Option<&'a [u8]> {
        let entry = self.table_entry(index)?;
        let start = usize::try_from(entry.offset).ok()?;
        let end = usize::try_from(entry.offset.checked_add(entry.length)?).ok()?;
        let aligned = entry.offset.is_multiple_of(PageSize::Size4KiB.bytes());
        (aligned && start >= table_end(self.count)?).then_some(())?;
        self.bytes.get(start..end)
    }
}

pub(crate) fn table_end(count: u32) -> Option<usize> {
    usize::try_from(count)
        .ok()?
        .checked_mul(ENTRY_BYTES)?
        .checked_add(HEADER_BYTES)
}

pub(crate) fn head_checksum(head: &[u8]) -> u32 {
    let mut copy = head.to_vec();
    if let Some(field) = copy.get_mut(CHECKSUM_FIELD) {
        field.fill(0);
    }
    crc32c(&copy)
}

#[cfg(test)]
mod tests;
