//! A page table: mapping, unmapping, translating.

use core::marker::PhantomData;

use addr::{Address, HostPhysical, PageSize, Range};

use crate::span::{Rest, Span, Target};
use crate::walk::{Found, Slot, find, slot};
use crate::{Access, Format, Leaves, Level, MapError, MemoryKind, TableMemory};

/// A page table of format `F`.
#[derive(Debug)]
pub struct PageTable<F> {
    root: HostPhysical,
    largest: PageSize,
    leaves: Leaves,
    format: PhantomData<F>,
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// The address in memory.
    pub address: HostPhysical,
    /// The size of the leaf that maps it.
    pub page: PageSize,
    /// What the leaf allows.
    pub access: Access,
    /// How accesses are cached.
    pub kind: MemoryKind,
}

impl<F: Format> PageTable<F> {
    /// An empty table, whose leaves will be at most of size `largest`; `None` if there is no
    /// memory for its root.
    pub fn new(memory: &mut impl TableMemory, largest: PageSize) -> Option<Self> {
        let root = memory.allocate()?;
        let mut leaves = Leaves::default();
        leaves.add_table();
        Some(Self {
            root,
            largest,
            leaves,
            format: PhantomData,
        })
    }

    /// The table of the highest level.
    #[must_use]
    pub const fn root(&self) -> HostPhysical {
        self.root
    }

    /// Maps the addresses from `from` on to the memory in `to`, by the largest leaves that
    /// alignment and empty tables allow.
    ///
    /// # Errors
    /// See [`MapError`]; nothing is mapped then, though tables may have been added.
    #[expect(
        clippy::too_many_arguments,
        reason = "five and the table: where, what, how"
    )]
    pub fn map<A: Address>(
        &mut self,
        memory: &mut impl TableMemory,
        from: A,
        to: Range<HostPhysical>,
        access: Access,
        kind: MemoryKind,
    ) -> Result<(), MapError> {
        let all = Rest {
            from: from.to_u64(),
            to: to.start(),
            bytes: to.bytes(),
            access,
            kind,
            target: Target::Consecutive,
        };
        self.map_all(memory, all)
    }

    /// Maps every page of the `bytes` from `from` on to the one page at `page`.
    ///
    /// # Errors
    /// As for [`PageTable::map`].
    #[expect(
        clippy::too_many_arguments,
        reason = "five and the table: where, what, how"
    )]
    pub fn map_to_one_page<A: Address>(
        &mut self,
        memory: &mut impl TableMemory,
        from: A,
        bytes: u64,
        page: HostPhysical,
        access: Access,
    ) -> Result<(), MapError> {
        let all = Rest {
            from: from.to_u64(),
            to: page,
            bytes,
            access,
            kind: MemoryKind::WriteBack,
            target: Target::OnePage,
        };
        self.map_all(memory, all)
    }

    fn map_all(&mut self, memory: &mut impl TableMemory, all: Rest) -> Result<(), MapError> {
        let span = Span::new::<F>(all.from, all.bytes)?;
        all.check()?;
        leaf_entry::<F>(&all, PageSize::Size4KiB)?;
        if self.is_any_mapped(memory, span) {
            return Err(MapError::AlreadyMapped);
        }
        let mut next = Some(all);
        while let Some(rest) = next {
            let placed = self.place(memory, &rest);
            if placed.is_err() {
                // Nothing was mapped here before.
                self.clear(memory, span);
            }
            next = placed?;
        }
        Ok(())
    }

    /// Takes the `bytes` from `from` on out of the table, splitting larger leaves at both
    /// ends. What is not mapped stays so.
    ///
    /// # Errors
    /// See [`MapError`]; nothing is unmapped then.
    pub fn unmap<A: Address>(
        &mut self,
        memory: &mut impl TableMemory,
        from: A,
        bytes: u64,
    ) -> Result<(), MapError> {
        let span = Span::new::<F>(from.to_u64(), bytes)?;
        self.split_at(memory, span.start)?;
        self.split_at(memory, span.end)?;
        self.clear(memory, span);
        Ok(())
    }

    /// Where `address` leads; `None` if it is not mapped.
    pub fn translate<A: Address>(
        &self,
        memory: &impl TableMemory,
        address: A,
    ) -> Option<Translation> {
        if address.to_u64() >> F::ADDRESS_BITS != 0 {
            return None;
        }
        let found = find::<F>(memory, self.root, address.to_u64());
        let page = found.leaf?;
        let start = F::address(found.entry).align_down(page);
        Some(Translation {
            address: start.checked_add(address.page_offset(page))?,
            page,
            access: F::access(found.entry),
            kind: F::kind(found.entry),
        })
    }

    /// The leaves, and the pages of the table itself.
    #[must_use]
    pub const fn leaves(&self) -> Leaves {
        self.leaves
    }

    fn is_any_mapped(&self, memory: &impl TableMemory, span: Span) -> bool {
        let mut address = span.start;
        while address < span.end {
            let found = find::<F>(memory, self.root, address);
            if found.leaf.is_some() {
                return true;
            }
            address = behind_absent::<F>(memory, &found, address, span.end);
        }
        false
    }

    /// Writes the first leaves of `rest`, with the tables on the way to them, and gives what
    /// remains. A new table is empty when it is linked, so nothing is mapped until a leaf is.
    fn place(
        &mut self,
        memory: &mut impl TableMemory,
        rest: &Rest,
    ) -> Result<Option<Rest>, MapError> {
        let limit = rest.page_size(self.largest);
        let (mut table, mut level) = (self.root, F::ROOT);
        loop {
            let index = level.index(rest.from);
            match slot::<F>(memory.read(table, index), level) {
                Slot::Leaf(_) => return Err(MapError::AlreadyMapped),
                Slot::Table { at, level: below } => (table, level) = (at, below),
                Slot::Absent => {
                    if let Some(size) = level.page_size().filter(|size| *size <= limit) {
                        return self.fill(memory, (table, index), rest, size);
                    }
                    let new = self.add_table(memory)?;
                    memory.write(table, index, F::table_entry(new));
                    table = new;
                    // Level 1 has leaves of the least size, so it never comes here.
                    level = level.below().ok_or(MapError::OutOfTables)?;
                }
            }
        }
    }

    /// Writes leaves of `size` from entry `index` of `table` on, as long as the table, its
    /// absent entries and `rest` have room for them; gives what remains.
    fn fill(
        &mut self,
        memory: &mut impl TableMemory,
        (table, index): (HostPhysical, usize),
        rest: &Rest,
        size: PageSize,
    ) -> Result<Option<Rest>, MapError> {
        let mut entry = leaf_entry::<F>(rest, size)?;
        let mut done = 0_u64;
        for index in index..Level::ENTRIES {
            // What begins aligned goes on so.
            let end = done.saturating_add(size.bytes());
            if end > rest.bytes || F::is_present(memory.read(table, index)) {
                break;
            }
            memory.write(table, index, entry);
            // All formats keep the address at its own place, and `Rest::check` has seen that
            // the last one fits.
            entry = entry.saturating_add(rest.step(size));
            done = end;
            self.leaves.add(size);
        }
        Ok(rest.behind(done))
    }

    /// Takes a page for a table, empty.
    fn add_table(&mut self, memory: &mut impl TableMemory) -> Result<HostPhysical, MapError> {
        let new = memory.allocate().ok_or(MapError::OutOfTables)?;
        self.leaves.add_table();
        Ok(new)
    }

    /// Splits leaves until one begins at `address`, if any covers it.
    fn split_at(&mut self, memory: &mut impl TableMemory, address: u64) -> Result<(), MapError> {
        if address >> F::ADDRESS_BITS != 0 {
            return Ok(());
        }
        loop {
            let found = find::<F>(memory, self.root, address);
            match found.leaf {
                Some(size) if !address.is_multiple_of(size.bytes()) => {
                    self.split(memory, &found)?;
                }
                _ => return Ok(()),
            }
        }
    }

    /// Replaces a leaf by a table that maps the same. The table is whole before it is linked,
    /// and the one write that links it changes no translation.
    fn split(&mut self, memory: &mut impl TableMemory, leaf: &Found) -> Result<(), MapError> {
        let below = leaf
            .level
            .below()
            .and_then(Level::page_size)
            .ok_or(MapError::Misaligned)?;
        let new = self.add_table(memory)?;
        let size = leaf.leaf.unwrap_or(below);
        let same = Rest {
            from: 0,
            to: F::address(leaf.entry).align_down(size),
            bytes: leaf.level.entry_bytes(),
            access: F::access(leaf.entry),
            kind: F::kind(leaf.entry),
            target: Target::Consecutive,
        };
        self.fill(memory, (new, 0), &same, below)?;
        memory.write(leaf.table, leaf.index, F::table_entry(new));
        self.leaves.remove(size);
        Ok(())
    }

    /// Clears the leaves in `span`, at whose ends no leaf is cut.
    fn clear(&mut self, memory: &mut impl TableMemory, span: Span) {
        let mut address = span.start;
        while address < span.end {
            let found = find::<F>(memory, self.root, address);
            if let Some(size) = found.leaf {
                memory.write(found.table, found.index, 0);
                self.leaves.remove(size);
            }
            address = found.level.end_of_entry(address).unwrap_or(span.end);
        }
    }
}

/// The entry of the first leaf of `rest`.
fn leaf_entry<F: Format>(rest: &Rest, size: PageSize) -> Result<u64, MapError> {
    F::leaf_entry(size, rest.to, rest.access, rest.kind).ok_or(MapError::AccessNotExpressible)
}

/// The first address from `address` on, at most `limit`, that `found`, which is absent, and
/// the absent entries behind it in its table do not cover: a walk from the root for each
/// would take four times as long.
fn behind_absent<F: Format>(
    memory: &impl TableMemory,
    found: &Found,
    address: u64,
    limit: u64,
) -> u64 {
    let mut end = address;
    for index in found.index..Level::ENTRIES {
        if end >= limit || F::is_present(memory.read(found.table, index)) {
            break;
        }
        end = found.level.end_of_entry(end).unwrap_or(limit);
    }
    end
}
