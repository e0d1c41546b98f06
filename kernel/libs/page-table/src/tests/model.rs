//! Random operations on a table and on a model of it: ranges by their first address.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use addr::{GuestPhysical, HostPhysical, PageSize};
use proptest::prelude::*;

use super::fake_memory::FakeMemory;
use super::host;
use crate::walk::{Slot, slot};
use crate::{
    Access, Extended, Format, Host, Leaves, Level, MapError, MemoryKind, Nested, PageTable,
    SecondStage, TableMemory,
};

#[derive(Debug, Clone, Copy)]
enum Operation {
    Map {
        from: u64,
        to: u64,
        bytes: u64,
        writable: bool,
    },
    Unmap {
        from: u64,
        bytes: u64,
    },
}

/// Addresses up to a few GiB, at and near page boundaries of all sizes.
fn address() -> impl Strategy<Value = u64> {
    (
        0_u64..3,
        prop::sample::select(&[0_u64, 1, 2, 3, 511][..]),
        0_u64..4,
    )
        .prop_map(|(gigabytes, large, small)| (gigabytes << 30) + (large << 21) + (small << 12))
}

fn length() -> impl Strategy<Value = u64> {
    let unit = prop::sample::select(&[12_u32, 21][..]);
    (unit, 1_u64..4, 0_u64..3).prop_map(|(unit, count, small)| (count << unit) + (small << 12))
}

fn operation() -> impl Strategy<Value = Operation> {
    let scattered =
        (address(), address(), length(), any::<bool>()).prop_map(|(from, to, bytes, writable)| {
            Operation::Map {
                from,
                to,
                bytes,
                writable,
            }
        });
    let identity = (address(), length(), 0_u64..3, any::<bool>()).prop_map(
        |(from, small, gigabytes, writable)| Operation::Map {
            from,
            to: from,
            bytes: (gigabytes << 30) + small,
            writable,
        },
    );
    let unmap =
        (address(), length(), 0_u64..2).prop_map(|(from, small, gigabytes)| Operation::Unmap {
            from,
            bytes: (gigabytes << 30) + small,
        });
    prop_oneof![scattered, identity, unmap]
}

/// Mapped ranges by first address: length, where they lead, whether they are writable.
#[derive(Debug, Default)]
struct Model(BTreeMap<u64, (u64, u64, bool)>);

impl Model {
    fn overlaps(&self, from: u64, bytes: u64) -> bool {
        self.0
            .iter()
            .any(|(start, (length, ..))| *start < from + bytes && from < start + length)
    }

    fn unmap(&mut self, from: u64, bytes: u64) {
        let end = from + bytes;
        for (start, (length, to, writable)) in std::mem::take(&mut self.0) {
            let range_end = start + length;
            if start < from {
                let kept = range_end.min(from) - start;
                self.0.insert(start, (kept, to, writable));
            }
            if range_end > end {
                let first = start.max(end);
                self.0
                    .insert(first, (range_end - first, to + (first - start), writable));
            }
        }
    }

    fn translate(&self, address: u64) -> Option<(u64, bool)> {
        let (start, (length, to, writable)) = self.0.range(..=address).next_back()?;
        (address < start + length).then(|| (to + (address - start), *writable))
    }

    /// Each edge and its neighbourhood.
    fn probes(&self) -> Vec<u64> {
        let edges = self
            .0
            .iter()
            .flat_map(|(start, (length, ..))| [*start, start + length]);
        edges
            .flat_map(|edge| [edge.saturating_sub(1), edge, edge + 0xfff, edge + 0x1000])
            .chain([0, 1 << 21, 1 << 30, 5 << 30])
            .collect()
    }
}

fn apply<F: Format>(
    table: &mut PageTable<F>,
    memory: &mut FakeMemory,
    operation: Operation,
) -> Result<(), MapError> {
    match operation {
        Operation::Map {
            from,
            to,
            bytes,
            writable,
        } => {
            let mut access = Access::READ;
            access.set(Access::WRITE, writable);
            let to = host(to, bytes);
            table.map(
                memory,
                GuestPhysical::new(from),
                to,
                access,
                MemoryKind::WriteBack,
            )
        }
        Operation::Unmap { from, bytes } => table.unmap(memory, GuestPhysical::new(from), bytes),
    }
}

impl Model {
    fn apply(&mut self, operation: Operation) -> Result<(), MapError> {
        match operation {
            Operation::Map { from, bytes, .. } if self.overlaps(from, bytes) => {
                return Err(MapError::AlreadyMapped);
            }
            Operation::Map {
                from,
                to,
                bytes,
                writable,
            } => {
                self.0.insert(from, (bytes, to, writable));
            }
            Operation::Unmap { from, bytes } => self.unmap(from, bytes),
        }
        Ok(())
    }
}

/// Adds the table at `table` with all below it.
fn count<F: Format>(memory: &FakeMemory, table: HostPhysical, level: Level, all: &mut Leaves) {
    all.add_table();
    for index in 0..Level::ENTRIES {
        match slot::<F>(memory.read(table, index), level) {
            Slot::Absent => {}
            Slot::Leaf(size) => all.add(size),
            Slot::Table { at, level } => count::<F>(memory, at, level, all),
        }
    }
}

fn agrees<F: Format>(operations: &[Operation], largest: PageSize, tables: usize) {
    let mut memory = FakeMemory::with_tables(tables + 1);
    let mut table = PageTable::<F>::new(&mut memory, largest).unwrap();
    let mut model = Model::default();
    for operation in operations {
        let result = apply(&mut table, &mut memory, *operation);
        if result != Err(MapError::OutOfTables) {
            assert_eq!(result, model.apply(*operation), "{operation:x?}");
        }
        for address in model.probes() {
            let found = table.translate(&memory, GuestPhysical::new(address));
            let found =
                found.map(|found| (found.address.as_u64(), found.access.contains(Access::WRITE)));
            assert_eq!(
                found,
                model.translate(address),
                "{address:#x} after {operation:x?}"
            );
        }
    }
    let mapped: u64 = model.0.values().map(|(bytes, ..)| bytes).sum();
    assert_eq!(table.leaves().bytes(), mapped);
    let mut found = Leaves::default();
    count::<F>(&memory, table.root(), F::ROOT, &mut found);
    assert_eq!(table.leaves(), found);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_table_does_what_its_model_does(
        operations in prop::collection::vec(operation(), 1..12),
    ) {
        agrees::<Host>(&operations, PageSize::Size2MiB, 4000);
        agrees::<Nested>(&operations, PageSize::Size1GiB, 4000);
        agrees::<Extended>(&operations, PageSize::Size1GiB, 4000);
        agrees::<SecondStage>(&operations, PageSize::Size1GiB, 4000);
        agrees::<SecondStage<3>>(&operations, PageSize::Size2MiB, 4000);
    }

    #[test]
    fn a_table_without_memory_stays_as_it_was(
        operations in prop::collection::vec(operation(), 1..12),
        tables in 0_usize..8,
    ) {
        agrees::<Nested>(&operations, PageSize::Size1GiB, tables);
    }
}
