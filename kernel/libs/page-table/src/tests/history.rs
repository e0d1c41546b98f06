//! No state in between is broken: after each single write of an operation, each address leads
//! to where it led before the operation or to where it leads after it.

extern crate std;

use std::vec::Vec;

use addr::{GuestPhysical, HostPhysical, PageSize};

use super::fake_memory::{FakeMemory, Pages};
use super::host;
use crate::{Access, Extended, Format, MapError, MemoryKind, Nested, PageTable, SecondStage};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

type Operation<F> = fn(&mut PageTable<F>, &mut FakeMemory) -> Result<(), MapError>;

/// Addresses around everything that the operations below touch.
fn probes() -> impl Iterator<Item = u64> + Clone {
    let edges = [
        0,
        MIB,
        2 * MIB,
        3 * MIB,
        4 * MIB,
        GIB,
        GIB + 2 * MIB,
        2 * GIB,
        3 * GIB,
        1 << 40,
    ];
    edges.into_iter().flat_map(|edge| {
        [-0x2000_i64, -1, 0, 0xfff, 0x1000, 0x2000]
            .into_iter()
            .filter_map(move |distance| edge.checked_add_signed(distance))
    })
}

fn walks<F: Format>(pages: &Pages, root: HostPhysical) -> Vec<Option<(u64, u64)>> {
    probes()
        .map(|address| pages.walk::<F>(root, address))
        .collect()
}

/// Runs the operation and then replays its history, write by write. The answer is the number
/// of states that were looked at.
fn watch<F: Format>(
    table: &mut PageTable<F>,
    memory: &mut FakeMemory,
    operation: Operation<F>,
) -> usize {
    let (mut pages, seen) = (memory.pages.clone(), memory.history.len());
    let before = walks::<F>(&pages, table.root());
    let _ = operation(table, memory);
    let after = walks::<F>(&memory.pages, table.root());
    let events = &memory.history[seen..];
    for event in events {
        pages.apply(*event);
        let now = walks::<F>(&pages, table.root());
        for ((address, now), allowed) in probes().zip(now).zip(before.iter().zip(&after)) {
            let is_allowed = now == *allowed.0 || now == *allowed.1;
            assert!(
                is_allowed,
                "{address:#x} leads to {now:x?} after {event:x?}"
            );
        }
    }
    events.len()
}

fn operations<F: Format>() -> [Operation<F>; 6] {
    [
        |table, memory| {
            let (from, to) = (GuestPhysical::new(0), host(4 * GIB, 2 * GIB));
            table.map(
                memory,
                from,
                to,
                Access::READ | Access::WRITE,
                MemoryKind::WriteBack,
            )
        },
        // Cuts a gigabyte leaf at both ends, down to 4 KiB.
        |table, memory| table.unmap(memory, GuestPhysical::new(MIB + 0x1000), 2 * MIB),
        |table, memory| table.unmap(memory, GuestPhysical::new(GIB - 0x1000), 0x2000),
        |table, memory| {
            let (from, to) = (GuestPhysical::new(2 * MIB), host(8 * GIB, MIB));
            table.map(memory, from, to, Access::READ, MemoryKind::Uncached)
        },
        // Overlaps the last one: refused.
        |table, memory| {
            let (from, to) = (GuestPhysical::new(2 * MIB), host(9 * GIB, 4 * MIB));
            table.map(memory, from, to, Access::READ, MemoryKind::WriteBack)
        },
        |table, memory| table.unmap(memory, GuestPhysical::new(0), 4 * GIB),
    ]
}

fn watch_all<F: Format>() {
    // Half a million leaves of 4 KiB would take long to watch; some appear by splitting.
    for largest in [PageSize::Size1GiB, PageSize::Size2MiB] {
        let mut memory = FakeMemory::with_tables(32);
        let mut table = PageTable::<F>::new(&mut memory, largest).unwrap();
        let states: usize = operations()
            .into_iter()
            .map(|operation| watch(&mut table, &mut memory, operation))
            .sum();
        assert!(states > 1000, "nothing was watched");
        assert_eq!(table.leaves().bytes(), 0);
    }
}

#[test]
fn no_state_in_between_is_broken_in_nested_tables() {
    watch_all::<Nested>();
}

#[test]
fn no_state_in_between_is_broken_in_extended_tables() {
    watch_all::<Extended>();
}

#[test]
fn no_state_in_between_is_broken_in_second_stage_tables() {
    watch_all::<SecondStage<3>>();
    watch_all::<SecondStage<4>>();
}

#[test]
fn running_out_of_tables_shows_no_broken_state() {
    for tables in 1..8 {
        let mut memory = FakeMemory::with_tables(tables);
        let mut table = PageTable::<Nested>::new(&mut memory, PageSize::Size1GiB).unwrap();
        for operation in operations() {
            watch(&mut table, &mut memory, operation);
        }
    }
}

#[test]
#[should_panic(expected = "leads to")]
fn the_watch_sees_a_leaf_that_is_cleared_and_written_again() {
    use crate::TableMemory;
    let mut memory = FakeMemory::with_tables(8);
    let mut table = PageTable::<Nested>::new(&mut memory, PageSize::Size1GiB).unwrap();
    let [map, ..] = operations();
    map(&mut table, &mut memory).unwrap();
    watch(&mut table, &mut memory, |table, memory| {
        let level_3 = Nested::address(memory.read(table.root(), 0));
        let entry = memory.read(level_3, 0);
        memory.write(level_3, 0, 0);
        memory.write(level_3, 0, entry);
        Ok(())
    });
}
