//! What some functions reach: a second-stage table with as few levels as its addresses and
//! the units allow (VT-d, section 9.3 "Context Entry", field AW).

use addr::{GuestPhysical, HostPhysical, IoVirtual, PageSize, Range};
use page_table::{Access, Format, Leaves, MemoryKind, PageTable, SecondStage};
use vtd::{AddressWidth, Capability, ContextEntry, DomainId};

use super::super::IommuError;
use super::unit::Unit;
use crate::host::frames::FlushedTables;

/// Memory, and where functions reach it.
pub type Piece = (Range<GuestPhysical>, Range<HostPhysical>);

/// What some functions reach.
pub struct Domain {
    /// What the units tag its translations with.
    pub id: DomainId,
    table: HostPhysical,
    width: AddressWidth,
    /// What its table is made of.
    pub leaves: Leaves,
}

/// What all units can do with a second-stage table.
#[derive(Debug, Clone, Copy)]
pub struct Abilities {
    largest_page: PageSize,
    has_3_levels: bool,
    has_4_levels: bool,
}

impl Abilities {
    /// Those that all of `units` have.
    pub fn of(units: &[Unit]) -> Self {
        let largest_page = units.iter().map(Unit::largest_page).min();
        let all = |capability| units.iter().all(|unit| unit.can(capability));
        Self {
            largest_page: largest_page.unwrap_or(PageSize::Size4KiB),
            has_3_levels: all(Capability::TABLES_OF_3_LEVELS),
            has_4_levels: all(Capability::TABLES_OF_4_LEVELS),
        }
    }
}

impl Domain {
    /// Builds the table that maps `memory` and nothing else.
    ///
    /// # Errors
    /// The units have no table for such addresses, or no memory is left for it.
    pub fn new(
        id: DomainId,
        abilities: Abilities,
        memory: impl Iterator<Item = Piece> + Clone,
    ) -> Result<Self, IommuError> {
        let limit = 1 << <SecondStage<3> as Format>::ADDRESS_BITS;
        let fits = |(guest, _): Piece| guest.end().as_u64() <= limit;
        let largest_page = abilities.largest_page;
        let (width, (table, leaves)) = if abilities.has_3_levels && memory.clone().all(fits) {
            let table = build::<SecondStage<3>>(largest_page, memory)?;
            (AddressWidth::BITS_39, table)
        } else if abilities.has_4_levels {
            let table = build::<SecondStage<4>>(largest_page, memory)?;
            (AddressWidth::BITS_48, table)
        } else {
            return Err(IommuError::Missing(
                "second-stage tables of 4 levels (SAGAW)",
            ));
        };
        Ok(Self {
            id,
            table,
            width,
            leaves,
        })
    }

    /// What lets a function reach it.
    pub const fn entry(&self) -> ContextEntry {
        ContextEntry::second_stage(self.table, self.width, self.id)
    }
}

/// A table of format `F`: its root, and what it is made of.
fn build<F: Format>(
    largest_page: PageSize,
    memory: impl Iterator<Item = Piece>,
) -> Result<(HostPhysical, Leaves), IommuError> {
    let mut table = PageTable::<F>::new(&mut FlushedTables, largest_page);
    let table = table.as_mut().ok_or(IommuError::OutOfFrames)?;
    for (guest, host) in memory {
        let from = IoVirtual::new(guest.start().as_u64());
        let access = Access::READ | Access::WRITE;
        table
            .map(
                &mut FlushedTables,
                from,
                host,
                access,
                MemoryKind::WriteBack,
            )
            .map_err(IommuError::Map)?;
    }
    Ok((table.root(), table.leaves()))
}
