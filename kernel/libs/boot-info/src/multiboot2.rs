//! The Multiboot2 boot information (Multiboot2 Specification version 2.0, section 3.6
//! "Boot information format"): tags one behind the other, each aligned to 8 bytes.

use addr::{Address, HostPhysical, Range};
use byte_fields::{u32_at, u64_at};

use crate::BootInfo;

/// What a Multiboot2 boot loader leaves in EAX.
pub const MAGIC: u32 = 0x36d7_6289;
/// The bytes in front of the first tag: their own number, with all tags', and what is reserved.
const HEADER_BYTES: usize = 8;
/// The bytes of a tag's own header: type and size.
const TAG_BYTES: usize = 8;
const ALIGNMENT: usize = 8;

const END: u32 = 0;
const MODULE: u32 = 3;
const MEMORY_MAP: u32 = 6;
const RSDP: u32 = 14;
const RSDP_OF_ACPI_2: u32 = 15;

/// Reads the boot information `bytes`, which lies at `place`: as many bytes as its first word says.
///
/// # Errors
/// A tag goes beyond the bytes, or there is no memory map or no RSDP.
pub fn read(bytes: &[u8], place: HostPhysical) -> Result<BootInfo, &'static str> {
    const MALFORMED: &str = "the Multiboot2 boot information is malformed";
    let mut info = BootInfo::EMPTY;
    let (mut has_map, mut old_rsdp) = (false, None);
    let mut at = HEADER_BYTES;
    loop {
        let kind = u32_at(bytes, at).ok_or(MALFORMED)?;
        let tag = tag_at(bytes, at).ok_or(MALFORMED)?;
        let content = place.checked_add(at.saturating_add(TAG_BYTES) as u64);
        match kind {
            END => break,
            MODULE => info.module = info.module.or_else(|| module(tag)),
            MEMORY_MAP => {
                has_map = true;
                add_memory_map(&mut info, tag);
            }
            RSDP => old_rsdp = content,
            RSDP_OF_ACPI_2 => info.rsdp = content,
            _ => {}
        }
        at = at.saturating_add(tag.len()).next_multiple_of(ALIGNMENT);
    }
    info.rsdp = info.rsdp.or(old_rsdp);
    if !has_map {
        return Err("Multiboot2 gave no memory map");
    }
    info.rsdp.ok_or("Multiboot2 gave no ACPI RSDP")?;
    Ok(info)
}

/// The whole tag at `at`, which has at least its own header.
fn tag_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let size = u32_at(bytes, at.checked_add(4)?)? as usize;
    let tag = bytes.get(at..)?.get(..size)?;
    (size >= TAG_BYTES).then_some(tag)
}

/// Section 3.6.6 "Modules".
fn module(tag: &[u8]) -> Option<Range<HostPhysical>> {
    let (start, end) = (u32_at(tag, 8)?, u32_at(tag, 12)?);
    let bytes = end.checked_sub(start)?;
    Range::new(HostPhysical::new(start.into()), bytes.into())
}

/// Section 3.6.8 "Memory map".
fn add_memory_map(info: &mut BootInfo, tag: &[u8]) {
    const ENTRIES: usize = 16;
    const ENTRY_BYTES: usize = 24;
    // Later versions of the specification may have longer entries.
    let size = u32_at(tag, 8).unwrap_or(0) as usize;
    let entries = tag.get(ENTRIES..).unwrap_or_default();
    for entry in entries.chunks_exact(size.max(ENTRY_BYTES)) {
        if let (Some(start), Some(bytes), Some(kind)) =
            (u64_at(entry, 0), u64_at(entry, 8), u32_at(entry, 16))
        {
            info.add_memory(start, bytes, kind);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests {
    extern crate std;

    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    use super::*;

    const PLACE: HostPhysical = HostPhysical::new(0x7000);

    fn tag(kind: u32, content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + TAG_BYTES).unwrap();
        let mut tag = [&kind.to_le_bytes(), &size.to_le_bytes(), content].concat();
        tag.resize(tag.len().next_multiple_of(ALIGNMENT), 0xaa);
        tag
    }

    fn sealed(tags: &[Vec<u8>]) -> Vec<u8> {
        let tags = [&tags.concat()[..], &tag(END, &[])].concat();
        let size = u32::try_from(HEADER_BYTES + tags.len()).unwrap();
        [&size.to_le_bytes()[..], &[0; 4], &tags].concat()
    }

    fn module(start: u32, end: u32) -> Vec<u8> {
        let content = [&start.to_le_bytes()[..], &end.to_le_bytes(), b"bundle\0"];
        tag(MODULE, &content.concat())
    }

    fn memory_map(entry_bytes: u32, entries: &[[u64; 3]]) -> Vec<u8> {
        let mut content = [entry_bytes.to_le_bytes(), [0; 4]].concat();
        for entry in entries {
            let start = content.len();
            content.extend(entry.iter().flat_map(|word| word.to_le_bytes()));
            content.resize(start + entry_bytes as usize, 0x55);
        }
        tag(MEMORY_MAP, &content)
    }

    const MAP: [[u64; 3]; 3] = [
        [0, 0x9_f000, 1],
        [0x9_f000, 0x1000, 2],
        [0x10_0000, 0x700_0000, 1],
    ];

    #[test]
    fn memory_module_and_rsdp_are_found() {
        let tags = [
            tag(1, b"command line\0"),
            module(0x20_0000, 0x30_0000),
            memory_map(24, &MAP),
            module(0x40_0000, 0x50_0000),
            tag(RSDP, b"RSD PTR "),
        ];
        let info = read(&sealed(&tags), PLACE).unwrap();
        let usable: Vec<_> = info.usable().map(|range| range.bytes()).collect();
        assert_eq!(usable, [0x9_f000, 0x700_0000]);
        let module = Range::new(HostPhysical::new(0x20_0000), 0x10_0000);
        assert_eq!(info.module, module, "the first one");
        let before: usize = tags[..4].iter().map(Vec::len).sum();
        let rsdp = PLACE.checked_add((HEADER_BYTES + before + TAG_BYTES) as u64);
        assert_eq!(info.rsdp, rsdp);
    }

    #[test]
    fn the_newer_rsdp_is_taken_wherever_it_stands() {
        let tags = [
            memory_map(24, &[]),
            tag(RSDP_OF_ACPI_2, &[0; 36]),
            tag(RSDP, &[0; 20]),
        ];
        let info = read(&sealed(&tags), PLACE).unwrap();
        let rsdp = PLACE.checked_add((HEADER_BYTES + tags[0].len() + TAG_BYTES) as u64);
        assert_eq!(info.rsdp, rsdp);
    }

    #[test]
    fn longer_entries_of_a_memory_map_are_passed_over() {
        let tags = [memory_map(40, &MAP), tag(RSDP, &[])];
        let info = read(&sealed(&tags), PLACE).unwrap();
        assert_eq!(info.usable().count(), 2);
    }

    #[test]
    fn what_is_missing_is_named() {
        let without_map = sealed(&[tag(RSDP, &[])]);
        let why = read(&without_map, PLACE).unwrap_err();
        assert!(why.contains("memory map"));
        let without_rsdp = sealed(&[memory_map(24, &MAP)]);
        assert!(read(&without_rsdp, PLACE).unwrap_err().contains("RSDP"));
    }

    #[test]
    fn a_tag_beyond_the_bytes_is_refused() {
        let good = sealed(&[memory_map(24, &MAP), tag(RSDP, &[])]);
        for end in 0..good.len() {
            assert!(read(&good[..end], PLACE).is_err(), "{end}");
        }
        for size in [0_u32, 7, 4000, u32::MAX] {
            let mut bad = good.clone();
            bad[12..16].copy_from_slice(&size.to_le_bytes());
            assert!(read(&bad, PLACE).is_err(), "{size}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, PLACE);
        }

        #[test]
        fn any_tags_are_survived(
            tags in prop::collection::vec(
                (0_u32..20, prop::collection::vec(any::<u8>(), 0..60)), 0..8,
            ),
            place: u64,
        ) {
            let tags: Vec<_> = tags.iter().map(|(kind, content)| tag(*kind, content)).collect();
            let known = vec![memory_map(24, &MAP), tag(RSDP, &[])];
            let info = read(&sealed(&[known, tags].concat()), HostPhysical::new(place));
            prop_assert!(info.is_ok_and(|info| info.usable().count() >= 2) || place > u64::MAX / 2);
        }
    }
}
