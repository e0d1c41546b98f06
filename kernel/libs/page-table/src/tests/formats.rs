//! The bits of each format, as the manuals draw them.

use addr::{HostPhysical, PageSize};
use proptest::prelude::*;

use crate::{Access, Extended, Format, Host, MemoryKind, Nested, SecondStage};

const PAGE: HostPhysical = HostPhysical::new(0x1_4000_0000);
const ALL: Access = Access::all();
const DATA: Access = Access::READ.union(Access::WRITE);

fn leaf<F: Format>(size: PageSize, access: Access, kind: MemoryKind) -> Option<u64> {
    F::leaf_entry(size, PAGE, access, kind)
}

#[test]
fn host_entries() {
    use PageSize::{Size2MiB, Size4KiB};
    assert_eq!(Host::table_entry(PAGE), 0x1_4000_0023);
    assert_eq!(
        leaf::<Host>(Size4KiB, ALL, MemoryKind::WriteBack),
        Some(0x1_4000_0063)
    );
    let data = leaf::<Host>(Size2MiB, DATA, MemoryKind::Uncached);
    assert_eq!(data, Some(0x8000_0001_4000_00fb));
    let constant = leaf::<Host>(Size4KiB, Access::READ, MemoryKind::WriteBack);
    assert_eq!(constant, Some(0x8000_0001_4000_0061));
}

#[test]
fn nested_entries_are_a_users() {
    assert_eq!(Nested::table_entry(PAGE), 0x1_4000_0027);
    let huge = leaf::<Nested>(PageSize::Size1GiB, ALL, MemoryKind::WriteBack);
    assert_eq!(huge, Some(0x1_4000_00e7));
}

#[test]
fn extended_entries_have_a_memory_type() {
    assert_eq!(Extended::table_entry(PAGE), 0x1_4000_0007);
    let ram = leaf::<Extended>(PageSize::Size2MiB, ALL, MemoryKind::WriteBack);
    assert_eq!(ram, Some(0x1_4000_00b7));
    let registers = leaf::<Extended>(PageSize::Size4KiB, DATA, MemoryKind::Uncached);
    assert_eq!(registers, Some(0x1_4000_0003));
}

#[test]
fn second_stage_entries_have_two_rights() {
    type Table = SecondStage;
    assert_eq!(Table::table_entry(PAGE), 0x1_4000_0003);
    let ram = leaf::<Table>(PageSize::Size1GiB, ALL, MemoryKind::WriteBack);
    assert_eq!(ram, Some(0x1_4000_0083));
    let sink = leaf::<Table>(PageSize::Size4KiB, Access::WRITE, MemoryKind::WriteBack);
    assert_eq!(sink, Some(0x1_4000_0002));
}

/// A leaf is present, and says what it was told: all of it, or less of the rights.
fn reads_back<F: Format>(size: PageSize, access: Access, kind: MemoryKind) -> Option<Access> {
    let entry = leaf::<F>(size, access, kind)?;
    assert!(F::is_present(entry) && F::is_leaf(entry, size));
    assert_eq!(F::address(entry), PAGE);
    assert!(
        access.contains(F::access(entry)),
        "more rights than were asked for"
    );
    assert!(!F::is_present(0));
    Some(F::access(entry))
}

proptest! {
    #[test]
    fn no_leaf_allows_more_than_was_asked_for(
        size in prop::sample::select(&[
            PageSize::Size4KiB, PageSize::Size2MiB, PageSize::Size1GiB,
        ][..]),
        access in (0_u8..8).prop_map(Access::from_bits_retain),
        uncached: bool,
    ) {
        let kind = if uncached { MemoryKind::Uncached } else { MemoryKind::WriteBack };
        let exact = access.contains(Access::READ).then_some(access);
        prop_assert_eq!(reads_back::<Host>(size, access, kind), exact);
        prop_assert_eq!(reads_back::<Nested>(size, access, kind), exact);
        prop_assert_eq!(reads_back::<Extended>(size, access, kind), exact);
        let rights = Some(access & DATA).filter(|rights| !rights.is_empty());
        prop_assert_eq!(reads_back::<SecondStage>(size, access, kind), rights);
        if let Some(entry) = leaf::<Nested>(size, access, kind) {
            prop_assert_eq!(Nested::kind(entry), kind);
        }
        if let Some(entry) = leaf::<Extended>(size, access, kind) {
            prop_assert_eq!(Extended::kind(entry), kind);
        }
    }
}
