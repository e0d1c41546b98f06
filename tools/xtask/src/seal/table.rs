//! The tables in the kernel that name what may be overwritten, one for each back end, as
//! `kernel/src/host/sealed_text.rs` reads them.

use anyhow::{Context, Result, bail};
use object::{File, Object, ObjectSection, ObjectSymbol};

/// What `boot/kernel.ld` reserves for one.
const TABLE_BYTES: usize = 1024;

/// The bytes of a table: the number of `ranges`, the size of the whole text, and for each range
/// its first address and the one behind its last.
///
/// # Errors
/// There are more ranges than a table has room for, or addresses above 4 GiB.
pub fn encode(ranges: &[(u64, u64)], text_bytes: u64) -> Result<Vec<u8>> {
    let count = u64::try_from(ranges.len())?;
    let pairs = ranges.iter().flat_map(|(start, end)| [*start, *end]);
    let mut bytes = Vec::new();
    for word in [count, text_bytes].into_iter().chain(pairs) {
        bytes.extend(u32::try_from(word)?.to_le_bytes());
    }
    if bytes.len() > TABLE_BYTES {
        bail!("{count} ranges are more than a table has room for: enlarge it in boot/kernel.ld");
    }
    Ok(bytes)
}

/// Where the table `symbol` lies in the file.
///
/// # Errors
/// The kernel has none.
pub fn offset(file: &File<'_>, symbol: &str) -> Result<usize> {
    let found = file.symbols().find(|one| one.name() == Ok(symbol));
    let address = found
        .with_context(|| format!("no table {symbol}"))?
        .address();
    for section in file.sections() {
        let distance = address.checked_sub(section.address());
        if let (Some(distance), Some((start, bytes))) = (distance, section.file_range())
            && section.address() != 0
            && distance < bytes
        {
            return Ok(usize::try_from(start.saturating_add(distance))?);
        }
    }
    bail!("the table {symbol} is not in the file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_its_count_the_texts_size_and_the_ranges() {
        let bytes = encode(&[(0x20_0000, 0x20_0010)], 0x1234).unwrap();
        let words: Vec<_> = bytes
            .chunks(4)
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect();
        assert_eq!(words, [1, 0x1234, 0x20_0000, 0x20_0010]);
    }

    #[test]
    fn what_a_table_cannot_hold_is_refused() {
        assert_eq!(encode(&[(0, 1); 127], 0).unwrap().len(), TABLE_BYTES);
        assert!(encode(&[(0, 1); 128], 0).is_err());
        assert!(encode(&[(0, 1 << 32)], 0).is_err());
    }
}
