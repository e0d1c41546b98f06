use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::compile::build;

fn example() -> Vec<u8> {
    build(&[
        ("plan", b"the plan"),
        ("vmlinuz", &[7; 5000]),
        ("initrd.img", b"ramdisk"),
    ])
}

/// Makes header and table sound again after a change.
fn reseal(bundle: &mut [u8]) {
    let count = u32_at(bundle, 12).unwrap();
    let end = table_end(count).unwrap();
    let checksum = head_checksum(&bundle[..end]);
    bundle[CHECKSUM_FIELD].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn bundle_reads_back_as_built() {
    let bytes = example();
    let bundle = Bundle::parse(&bytes).unwrap();
    assert_eq!(bundle.len(), 3);
    assert_eq!(bundle.verify(ImageIndex(0), crc32c), Ok(&b"the plan"[..]));
    assert_eq!(bundle.verify(ImageIndex(1), crc32c), Ok(&[7; 5000][..]));
    assert_eq!(bundle.name(ImageIndex(2)), Some("initrd.img"));
    assert_eq!(bundle.entry(ImageIndex(3)), None);
    assert_eq!(
        bundle.verify(ImageIndex(3), crc32c),
        Err(BundleError::NoEntry(ImageIndex(3)))
    );
}

#[test]
fn entries_start_at_page_boundaries() {
    let bytes = example();
    let bundle = Bundle::parse(&bytes).unwrap();
    for index in 0..3 {
        let start = bundle.table_entry(ImageIndex(index)).unwrap().offset;
        assert!(start > 0 && start.is_multiple_of(4096));
    }
}

#[test]
fn damaged_entry_is_refused_alone() {
    let mut bytes = example();
    let offset = Bundle::parse(&bytes)
        .unwrap()
        .table_entry(ImageIndex(1))
        .unwrap()
        .offset;
    bytes[usize::try_from(offset).unwrap()] ^= 1;
    let bundle = Bundle::parse(&bytes).unwrap();
    let refused = bundle.verify(ImageIndex(1), crc32c);
    assert!(matches!(refused, Err(BundleError::EntryChecksum { .. })));
    assert!(bundle.verify(ImageIndex(2), crc32c).is_ok());
}

#[test]
fn long_names_are_cut_at_a_character() {
    let name = "ä".repeat(20);
    let bytes = build(&[(&name, b"x")]);
    assert_eq!(
        Bundle::parse(&bytes).unwrap().name(ImageIndex(0)),
        Some(&name[..32])
    );
}

#[test]
fn errors_are_told_apart() {
    let error = |change: fn(&mut Vec<u8>)| {
        let mut bytes = example();
        change(&mut bytes);
        Bundle::parse(&bytes).err()
    };
    assert_eq!(error(|bytes| bytes[0] = 0), Some(BundleError::NotABundle));
    assert_eq!(error(|bytes| bytes.truncate(8)), Some(BundleError::CutOff));
    assert_eq!(error(|bytes| bytes[8] = 9), Some(BundleError::Version(9)));
    assert_eq!(
        error(|bytes| bytes[14] = 1),
        Some(BundleError::TooManyEntries(65539))
    );
    assert_eq!(
        error(|bytes| bytes.truncate(bytes.len() - 1)),
        Some(BundleError::CutOff)
    );
    assert_eq!(
        error(|bytes| bytes[40] ^= 1),
        Some(BundleError::HeaderChecksum)
    );
    assert_eq!(error(|bytes| bytes.push(0)), None);
}

#[test]
fn entries_outside_the_bundle_are_refused() {
    // Offset and length of entry 1: inside the table, misaligned, behind the end, wrapping.
    let end = u64::try_from(example().len()).unwrap();
    for (offset, length) in [(0, 1), (4097, 1), (4096, end), (u64::MAX - 4095, 4096)] {
        let mut bytes = example();
        bytes[128..136].copy_from_slice(&u64::to_le_bytes(offset));
        bytes[136..144].copy_from_slice(&u64::to_le_bytes(length));
        reseal(&mut bytes);
        let refused = Bundle::parse(&bytes).err();
        assert_eq!(
            refused,
            Some(BundleError::Entry(ImageIndex(1))),
            "{offset:#x} {length:#x}"
        );
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Bundle::parse(&bytes);
        for (to, from) in bytes.iter_mut().zip(MAGIC.iter().chain(&1_u32.to_le_bytes())) {
            *to = *from;
        }
        let _ = Bundle::parse(&bytes);
    }

    #[test]
    fn mutated_table_never_panics(at in 8_usize..224, value: u8) {
        let mut bytes = example();
        bytes[at] = value;
        let count = u32_at(&bytes, 12).unwrap();
        if table_end(count).is_some_and(|end| end <= bytes.len()) {
            reseal(&mut bytes);
        }
        if let Ok(bundle) = Bundle::parse(&bytes) {
            for index in 0..=u16::try_from(bundle.len()).unwrap() {
                let _ = bundle.verify(ImageIndex(index), crc32c);
                let _ = bundle.name(ImageIndex(index));
            }
        }
    }
}

#[test]
fn empty_bundle_is_sound() {
    let bytes = build(&[]);
    assert!(Bundle::parse(&bytes).unwrap().is_empty());
    assert_eq!(
        vec![0; 0],
        Bundle::parse(&bytes)
            .unwrap()
            .entry(ImageIndex(0))
            .unwrap_or_default()
    );
}
