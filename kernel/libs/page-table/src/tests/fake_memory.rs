//! A memory for tables that remembers everything that happened to it.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use addr::HostPhysical;

use crate::{Format, Level, TableMemory};

/// What a page holds before it is allocated: entries that are present in every format.
const GARBAGE: u64 = 0x0000_0bad_bad0_0087;

/// Something that happened to the memory.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    Allocated(HostPhysical),
    Written {
        table: HostPhysical,
        index: usize,
        entry: u64,
    },
}

/// Pages by address.
#[derive(Debug, Clone, Default)]
pub struct Pages(BTreeMap<HostPhysical, Vec<u64>>);

impl Pages {
    pub fn apply(&mut self, event: Event) {
        match event {
            Event::Allocated(table) => {
                let cleared = std::vec![0; Level::ENTRIES];
                assert!(self.0.insert(table, cleared).is_none(), "given out twice");
            }
            Event::Written {
                table,
                index,
                entry,
            } => {
                self.0.get_mut(&table).expect("an allocated table")[index] = entry;
            }
        }
    }

    pub fn read(&self, table: HostPhysical, index: usize) -> u64 {
        assert!(index < Level::ENTRIES);
        self.0.get(&table).map_or(GARBAGE, |entries| entries[index])
    }

    /// What the hardware's walker sees, written down a second time: the entry that maps
    /// `address`, and the address in memory.
    pub fn walk<F: Format>(&self, root: HostPhysical, address: u64) -> Option<(u64, u64)> {
        let levels: u32 = if F::ROOT == Level::Four { 4 } else { 3 };
        let mut table = root;
        for level in (1..=levels).rev() {
            let shift = 12 + 9 * (level - 1);
            let entry = self.read(table, usize::try_from(address >> shift).unwrap() % 512);
            if !F::is_present(entry) {
                return None;
            }
            let next = entry & 0x000f_ffff_ffff_f000;
            if level == 1 || (level < 4 && entry & 0x80 != 0) {
                let offset = address & ((1 << shift) - 1);
                assert_eq!(next & ((1 << shift) - 1), 0, "reserved address bits");
                let rights = entry & !0x000f_ffff_ffff_f080;
                return Some((next | offset, rights));
            }
            table = HostPhysical::new(next);
        }
        None
    }
}

/// Memory for at most `free` more tables.
#[derive(Debug, Clone)]
pub struct FakeMemory {
    pub pages: Pages,
    pub history: Vec<Event>,
    pub free: usize,
    next: u64,
}

impl FakeMemory {
    pub fn with_tables(free: usize) -> Self {
        Self {
            pages: Pages::default(),
            history: Vec::new(),
            free,
            next: 0x7_0000_0000,
        }
    }

    fn happen(&mut self, event: Event) {
        self.pages.apply(event);
        self.history.push(event);
    }
}

impl TableMemory for FakeMemory {
    fn allocate(&mut self) -> Option<HostPhysical> {
        self.free = self.free.checked_sub(1)?;
        let table = HostPhysical::new(self.next);
        self.next += 0x1000;
        self.happen(Event::Allocated(table));
        Some(table)
    }

    fn read(&self, table: HostPhysical, index: usize) -> u64 {
        self.pages.read(table, index)
    }

    fn write(&mut self, table: HostPhysical, index: usize, entry: u64) {
        self.happen(Event::Written {
            table,
            index,
            entry,
        });
    }
}
