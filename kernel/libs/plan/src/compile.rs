//! A plan's and a bundle's binary forms, written: for the host, where plans are compiled.

use alloc::vec;
use alloc::vec::Vec;

use addr::PageSize;

use crate::bundle::{
    BUNDLE_VERSION, Bundle, CHECKSUM_FIELD, HEADER_BYTES, MAGIC, MAX_ENTRY_NAME, head_checksum,
    table_end,
};
use crate::{FORMAT_VERSION, ImageIndex, Plan, crc32c, format};

/// The binary form of `plan`.
#[must_use]
pub fn encode(plan: &Plan) -> Vec<u8> {
    // Into memory postcard fails only for a sequence of unknown length, and a plan has none;
    // an empty encoding would be refused by `decode` as malformed.
    let encoding = postcard::to_allocvec(plan).unwrap_or_default();
    let length = u32::try_from(encoding.len()).unwrap_or(u32::MAX);
    let mut bytes = format::MAGIC.to_vec();
    for field in [FORMAT_VERSION, length, crc32c(&encoding)] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    bytes.extend_from_slice(&encoding);
    bytes
}

/// Builds a bundle of `entries`, the first of which is to be the compiled plan. A name is
/// cut off after [`MAX_ENTRY_NAME`] bytes.
#[must_use]
pub fn build(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let mut bundle = vec![0; table_end(count).unwrap_or_default()];
    let mut table = Vec::new();
    for (name, content) in entries {
        let page = usize::try_from(PageSize::Size4KiB.bytes()).unwrap_or_default();
        bundle.resize(bundle.len().next_multiple_of(page), 0);
        push_entry(&mut table, name, bundle.len(), content);
        bundle.extend_from_slice(content);
    }
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&BUNDLE_VERSION.to_le_bytes());
    head.extend_from_slice(&count.to_le_bytes());
    push_long_number(&mut head, bundle.len());
    head.resize(HEADER_BYTES, 0);
    head.extend_from_slice(&table);
    let checksum = head_checksum(&head);
    if let Some(field) = head.get_mut(CHECKSUM_FIELD) {
        field.copy_from_slice(&checksum.to_le_bytes());
    }
    if let Some(place) = bundle.get_mut(..head.len()) {
        place.copy_from_slice(&head);
    }
    bundle
}

fn push_entry(table: &mut Vec<u8>, name: &str, offset: usize, content: &[u8]) {
    let name = name
        .get(..name.floor_char_boundary(MAX_ENTRY_NAME))
        .unwrap_or_default();
    let mut field = [0; MAX_ENTRY_NAME];
    for (to, from) in field.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    table.extend_from_slice(&field);
    push_long_number(table, offset);
    push_long_number(table, content.len());
    table.extend_from_slice(&crc32c(content).to_le_bytes());
    table.extend_from_slice(&[0; 12]);
}

fn push_long_number(bytes: &mut Vec<u8>, number: usize) {
    // A length in memory always fits into 64 bits.
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&number.to_le_bytes());
}

impl<'a> Bundle<'a> {
    /// How many entries there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.count
    }

    /// Whether there is no entry at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The name of an entry.
    #[must_use]
    pub fn name(&self, index: ImageIndex) -> Option<&'a str> {
        let name = self.row(index)?.get(..MAX_ENTRY_NAME)?;
        let name = name.split(|byte| *byte == 0).next()?;
        core::str::from_utf8(name).ok()
    }
}
