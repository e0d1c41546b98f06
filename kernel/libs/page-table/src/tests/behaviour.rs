//! One behaviour a test.

use addr::{Address, GuestPhysical, HostPhysical, IoVirtual, PageSize};

use super::fake_memory::FakeMemory;
use super::host;
use crate::{Access, Host, Leaves, MapError, MemoryKind, Nested, PageTable, SecondStage};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const WRITE_BACK: MemoryKind = MemoryKind::WriteBack;

fn nested(tables: usize) -> (FakeMemory, PageTable<Nested>) {
    let mut memory = FakeMemory::with_tables(tables);
    let table = PageTable::new(&mut memory, PageSize::Size1GiB).unwrap();
    (memory, table)
}

#[test]
fn a_partition_of_640_mib_is_320_leaves() {
    let (mut memory, mut table) = nested(8);
    let from = GuestPhysical::new(0);
    table
        .map(
            &mut memory,
            from,
            host(GIB + 2 * MIB, 640 * MIB),
            Access::all(),
            WRITE_BACK,
        )
        .unwrap();
    let expected = Leaves {
        size_2_mib: 320,
        tables: 3,
        ..Leaves::default()
    };
    assert_eq!(table.leaves(), expected);
    assert_eq!(table.leaves().large_bytes(), 640 * MIB);
}

#[test]
fn an_aligned_gigabyte_is_one_leaf_unless_that_is_too_large() {
    for (largest, leaves) in [
        (
            PageSize::Size1GiB,
            Leaves {
                size_1_gib: 1,
                tables: 2,
                ..Leaves::default()
            },
        ),
        (
            PageSize::Size2MiB,
            Leaves {
                size_2_mib: 512,
                tables: 3,
                ..Leaves::default()
            },
        ),
    ] {
        let mut memory = FakeMemory::with_tables(8);
        let mut table = PageTable::<Nested>::new(&mut memory, largest).unwrap();
        let from = GuestPhysical::new(4 * GIB);
        table
            .map(&mut memory, from, host(GIB, GIB), Access::all(), WRITE_BACK)
            .unwrap();
        assert_eq!(table.leaves(), leaves);
        assert_eq!(table.leaves().bytes(), GIB);
    }
}

#[test]
fn ragged_ends_are_small_and_the_middle_is_large() {
    let (mut memory, mut table) = nested(16);
    let start = GIB - 2 * MIB - 4 * KIB;
    let range = host(start, GIB + 4 * MIB + 8 * KIB);
    table
        .map(
            &mut memory,
            GuestPhysical::new(start),
            range,
            Access::all(),
            WRITE_BACK,
        )
        .unwrap();
    let leaves = table.leaves();
    assert_eq!(
        (leaves.size_4_kib, leaves.size_2_mib, leaves.size_1_gib),
        (2, 2, 1)
    );
}

#[test]
fn a_translation_tells_where_how_and_by_what() {
    let (mut memory, mut table) = nested(8);
    let access = Access::READ | Access::WRITE;
    let registers = host(0xfe80_0000, 16 * KIB);
    table
        .map(
            &mut memory,
            GuestPhysical::new(0xfe80_0000),
            registers,
            access,
            MemoryKind::Uncached,
        )
        .unwrap();
    let found = table
        .translate(&memory, GuestPhysical::new(0xfe80_3ffc))
        .unwrap();
    assert_eq!(found.address, HostPhysical::new(0xfe80_3ffc));
    assert_eq!(found.page, PageSize::Size4KiB);
    assert_eq!((found.access, found.kind), (access, MemoryKind::Uncached));
    assert_eq!(
        table.translate(&memory, GuestPhysical::new(0xfe80_4000)),
        None
    );
    assert_eq!(table.translate(&memory, GuestPhysical::new(u64::MAX)), None);
}

#[test]
fn mapping_over_a_mapping_changes_nothing() {
    let (mut memory, mut table) = nested(32);
    let at = GuestPhysical::new;
    table
        .map(
            &mut memory,
            at(4 * MIB),
            host(0, 2 * MIB),
            Access::all(),
            WRITE_BACK,
        )
        .unwrap();
    let before = memory.history.len();
    for (from, bytes) in [
        (4 * MIB, 4 * KIB),
        (6 * MIB - 4 * KIB, 8 * KIB),
        (0, GIB),
        (4 * MIB - 4 * KIB, 8 * KIB),
    ] {
        let result = table.map(
            &mut memory,
            at(from),
            host(GIB, bytes),
            Access::all(),
            WRITE_BACK,
        );
        assert_eq!(result, Err(MapError::AlreadyMapped), "{from:#x}");
    }
    assert_eq!(memory.history.len(), before);
}

#[test]
fn what_is_not_whole_pages_is_refused() {
    let (mut memory, mut table) = nested(8);
    let at = GuestPhysical::new;
    for (from, to, bytes) in [
        (1, 0, 0x1000),
        (0, 1, 0x1000),
        (0, 0, 0x1001),
        (0x800, 0x800, 0x800),
    ] {
        let result = table.map(
            &mut memory,
            at(from),
            host(to, bytes),
            Access::all(),
            WRITE_BACK,
        );
        assert_eq!(result, Err(MapError::Misaligned));
    }
    assert_eq!(
        table.unmap(&mut memory, at(0), 0),
        Err(MapError::Misaligned)
    );
    assert_eq!(
        table.unmap(&mut memory, at(0x10), 0x1000),
        Err(MapError::Misaligned)
    );
}

#[test]
fn the_address_width_is_the_limit_and_inside() {
    let (mut memory, mut table) = nested(8);
    let at = GuestPhysical::new;
    let last = (1 << 48) - 0x1000;
    table
        .map(
            &mut memory,
            at(last),
            host(0, 0x1000),
            Access::READ,
            WRITE_BACK,
        )
        .unwrap();
    assert!(table.translate(&memory, at(last)).is_some());
    table.unmap(&mut memory, at(last), 0x1000).unwrap();
    assert!(table.translate(&memory, at(last)).is_none());
    for (from, to) in [
        (1 << 48, 0),
        (last, 0),
        (u64::MAX - 0xfff, 0),
        (0, (1 << 52) - 0x1000),
    ] {
        let result = table.map(
            &mut memory,
            at(from),
            host(to, 0x2000),
            Access::READ,
            WRITE_BACK,
        );
        assert_eq!(result, Err(MapError::BeyondAddressWidth), "{from:#x}");
    }
    assert_eq!(
        table.unmap(&mut memory, at(last), 0x2000),
        Err(MapError::BeyondAddressWidth)
    );
}

#[test]
fn three_levels_of_a_second_stage_table_have_39_bits() {
    let mut memory = FakeMemory::with_tables(8);
    let mut table = PageTable::<SecondStage<3>>::new(&mut memory, PageSize::Size1GiB).unwrap();
    let rights = Access::READ | Access::WRITE;
    let (last, beyond) = (IoVirtual::new((1 << 39) - GIB), IoVirtual::new(1 << 39));
    table
        .map(&mut memory, last, host(0, GIB), rights, WRITE_BACK)
        .unwrap();
    assert_eq!(
        table.leaves(),
        Leaves {
            size_1_gib: 1,
            tables: 1,
            ..Leaves::default()
        }
    );
    assert_eq!(table.translate(&memory, beyond), None);
    let result = table.map(&mut memory, beyond, host(0, GIB), rights, WRITE_BACK);
    assert_eq!(result, Err(MapError::BeyondAddressWidth));
}

#[test]
fn running_out_of_tables_leaves_nothing_mapped() {
    // The root and level 3; nothing for the 4 KiB page behind the gigabyte.
    let (mut memory, mut table) = nested(2);
    let from = GuestPhysical::new(0);
    let result = table.map(
        &mut memory,
        from,
        host(0, GIB + 0x1000),
        Access::all(),
        WRITE_BACK,
    );
    assert_eq!(result, Err(MapError::OutOfTables));
    assert_eq!(table.leaves().bytes(), 0);
}

#[test]
fn running_out_of_tables_leaves_all_mapped() {
    let (mut memory, mut table) = nested(3);
    let at = GuestPhysical::new;
    table
        .map(
            &mut memory,
            at(0),
            host(0, 2 * GIB),
            Access::all(),
            WRITE_BACK,
        )
        .unwrap();
    // Splitting at the start takes two tables, one is there.
    let result = table.unmap(&mut memory, at(0x1000), GIB);
    assert_eq!(result, Err(MapError::OutOfTables));
    assert_eq!(table.leaves().bytes(), 2 * GIB);
}

#[test]
fn unmapping_a_page_splits_the_leaf_around_it() {
    let mut memory = FakeMemory::with_tables(8);
    let mut table = PageTable::<Host>::new(&mut memory, PageSize::Size1GiB).unwrap();
    let access = Access::READ | Access::WRITE;
    table
        .map(
            &mut memory,
            HostPhysical::new(0),
            host(0, GIB),
            access,
            WRITE_BACK,
        )
        .unwrap();
    let page = HostPhysical::new(5 * MIB);
    table.unmap(&mut memory, page, 0x1000).unwrap();
    assert_eq!(table.translate(&memory, page), None);
    let next = table
        .translate(&memory, page.checked_add(0x1000).unwrap())
        .unwrap();
    assert_eq!(
        (next.address.as_u64(), next.access),
        (5 * MIB + 0x1000, access)
    );
    let leaves = table.leaves();
    assert_eq!((leaves.size_4_kib, leaves.size_2_mib), (511, 511));
}

#[test]
fn unmapping_what_is_not_mapped_writes_nothing() {
    let (mut memory, mut table) = nested(8);
    let before = memory.history.len();
    table
        .unmap(&mut memory, GuestPhysical::new(0), 1 << 48)
        .unwrap();
    assert_eq!(memory.history.len(), before);
}

#[test]
fn unmapped_addresses_can_be_mapped_again() {
    let (mut memory, mut table) = nested(8);
    let at = GuestPhysical::new;
    table
        .map(
            &mut memory,
            at(0),
            host(0, 2 * MIB),
            Access::all(),
            WRITE_BACK,
        )
        .unwrap();
    table.unmap(&mut memory, at(0x1000), 0x1000).unwrap();
    table
        .map(
            &mut memory,
            at(0x1000),
            host(GIB, 0x1000),
            Access::READ,
            WRITE_BACK,
        )
        .unwrap();
    let found = table.translate(&memory, at(0x1234)).unwrap();
    assert_eq!(
        (found.address.as_u64(), found.access),
        (GIB + 0x234, Access::READ)
    );
}

#[test]
fn a_span_can_lead_to_one_page_all_over() {
    let (mut memory, mut table) = nested(8);
    // The end of a table's reach lies in between.
    let from = 2 * MIB - 8 * KIB;
    let page = HostPhysical::new(GIB);
    table
        .map_to_one_page(
            &mut memory,
            GuestPhysical::new(from),
            16 * KIB,
            page,
            Access::READ,
        )
        .unwrap();
    for offset in [0, 4 * KIB, 12 * KIB] {
        let found = table.translate(&memory, GuestPhysical::new(from + offset + 8));
        let found = found.unwrap();
        assert_eq!(found.address, HostPhysical::new(GIB + 8));
        assert_eq!(found.access, Access::READ);
    }
    let behind = GuestPhysical::new(from + 16 * KIB);
    assert_eq!(table.translate(&memory, behind), None);
    assert_eq!(table.leaves().size_4_kib, 4);
}

#[test]
fn one_page_all_over_is_never_a_large_leaf() {
    let (mut memory, mut table) = nested(8);
    let from = GuestPhysical::new(0);
    table
        .map_to_one_page(
            &mut memory,
            from,
            2 * MIB,
            HostPhysical::new(GIB),
            Access::READ,
        )
        .unwrap();
    assert_eq!(table.leaves().size_4_kib, 512);
}

#[test]
fn one_page_all_over_overwrites_nothing_and_has_to_exist() {
    let (mut memory, mut table) = nested(8);
    let from = GuestPhysical::new(4 * KIB);
    let page = HostPhysical::new(GIB);
    table
        .map_to_one_page(&mut memory, from, 4 * KIB, page, Access::READ)
        .unwrap();
    let again = table.map_to_one_page(
        &mut memory,
        GuestPhysical::new(0),
        16 * KIB,
        page,
        Access::READ,
    );
    assert_eq!(again, Err(MapError::AlreadyMapped));
    assert_eq!(table.leaves().size_4_kib, 1);
    let beyond = HostPhysical::new(1 << 52);
    let from = GuestPhysical::new(GIB);
    let refused = table.map_to_one_page(&mut memory, from, 4 * KIB, beyond, Access::READ);
    assert_eq!(refused, Err(MapError::BeyondAddressWidth));
}
