//! Functions that exist in no hardware: Bulkhead itself answers for them.
//!
//! They stand at the upper end of the guest's bus, each always at the same place, so that none
//! of the real functions moves. BAR 0 is made of pages, each with the rights that the guest
//! has: one that it may read and write is shared memory, and costs no exit; one that it may
//! only read shows registers, and a write to it comes to [`Synthetic::write`]. Reading never
//! exits.
//!
//! Another function takes: a kind in [`Model`] with what it does at a write, a call of
//! [`Synthetic::new`] for it in [`give`], and its place on the bus, which follows from the
//! order there.

extern crate alloc;
use alloc::boxed::Box;
use alloc::vec::Vec;

use addr::{Address, GuestPhysical, HostPhysical, Range};
use page_table::{Access, Format, MapError, MemoryKind, PageTable};
use pci_config::window::Windows;
use pci_config::{Bar, BarKind};
use vdev::config_space::{self, Layout};

use super::console::{self, Console};
use super::delegation::{self, SharedPages};
use super::{Effect, ImagePage};
use crate::cpu::core::OutOfFrames;
use crate::host::frames::CoherentTables;
use crate::partition::Partition;
use crate::partition::build::BuildError;
use crate::partition::memory::GuestRam;

/// The device number of the first: real functions stand below.
pub const FIRST_DEVICE: u8 = 0x1e;
const _: () = assert!(plan::MAX_FUNCTIONS < FIRST_DEVICE as usize);

/// What a function is, apart from what every function is.
pub enum Model {
    /// The console without exits, at 00:1e.0.
    Console(Box<Console>),
    /// What the partition manages others by, at 00:1f.0, where the plan gives it rights.
    Delegation(&'static SharedPages),
}

/// A function that exists in no hardware.
pub struct Synthetic {
    layout: Layout,
    page: ImagePage,
    bar: Range<GuestPhysical>,
    /// What it is.
    pub model: Model,
}

/// A page of BAR 0, or several that are one behind the other, and what the guest may do there.
pub type Pages = (Range<HostPhysical>, Access);

/// All synthetic functions of a partition, in the order of their places.
///
/// # Errors
/// No memory is left for one.
pub fn give<F: Format>(
    source: &plan::Partition,
    table: &mut PageTable<F>,
    memory: &GuestRam,
    windows: &mut Windows<GuestPhysical>,
) -> Result<Vec<Synthetic>, BuildError<'static>> {
    let mut given = Vec::new();
    let console = Console::new()?;
    let pages = console.pages(memory).ok_or(OutOfFrames)?;
    let model = Model::Console(Box::new(console));
    let identity = console::IDENTITY;
    given.push(Synthetic::new(identity, &pages, table, windows, model)?);
    if source.has_rights() {
        let shared = SharedPages::allocate()?;
        let (identity, pages) = (delegation::IDENTITY, shared.pages());
        let model = Model::Delegation(shared);
        given.push(Synthetic::new(identity, &pages, table, windows, model)?);
    }
    Ok(given)
}

impl Synthetic {
    /// Makes the function and maps the pages of its BAR, in their order, to the BAR's place.
    /// Together they are a power of two.
    ///
    /// # Errors
    /// No memory or no place is left.
    fn new<F: Format>(
        mut identity: config_space::Synthetic<'_>,
        pages: &[Pages],
        table: &mut PageTable<F>,
        windows: &mut Windows<GuestPhysical>,
        model: Model,
    ) -> Result<Self, BuildError<'static>> {
        let sizes = pages.iter().map(|(host, _)| host.bytes());
        let placed = windows.place(&Bar {
            index: 0,
            kind: BarKind::Memory32 {
                prefetchable: false,
            },
            address: 0,
            size: sizes.fold(0, u64::saturating_add),
        });
        let bar = placed.and_then(|bar| Range::new(GuestPhysical::new(bar.address), bar.size));
        let bar = bar.ok_or(MapError::BeyondAddressWidth)?;
        let mut at = bar.start();
        for (host, access) in pages {
            let kind = MemoryKind::WriteBack;
            table.map(&mut CoherentTables, at, *host, *access, kind)?;
            let next = at.checked_add(host.bytes());
            at = next.ok_or(MapError::BeyondAddressWidth)?;
        }
        identity.bars[0] = placed;
        let mut page = ImagePage::allocate()?;
        Ok(Self {
            layout: identity.build(&mut page),
            page,
            bar,
            model,
        })
    }

    /// The page of its configuration space.
    pub(super) const fn page(&self) -> &ImagePage {
        &self.page
    }

    /// The distance of `at` from the start of the BAR, if it lies there.
    pub fn offset_of(&self, at: GuestPhysical) -> Option<u64> {
        self.bar.offset_of(at)
    }

    /// Reads the configuration space.
    pub fn read_config(&self, offset: u16, bytes: u8) -> u32 {
        self.page.read(offset, bytes)
    }

    /// Carries out the guest's write to the configuration space.
    pub fn write_config(&mut self, offset: u16, bytes: u8, value: u32) -> Effect {
        let change = self.layout.write(&mut self.page, offset, bytes, value);
        match &mut self.model {
            Model::Console(console) => console.configure(change),
            Model::Delegation(_) => {}
        }
        Effect::Done
    }

    /// Carries out the guest's write at `offset` of a page of the BAR that it may only read.
    pub fn write(&mut self, partition: &Partition, offset: u16, bytes: u8, value: u64) -> Effect {
        match &mut self.model {
            Model::Console(console) => console.write(partition, (offset, bytes, value)),
            Model::Delegation(_) => Effect::Denied,
        }
    }

    /// Makes it what it was before any guest had it.
    pub fn reset(&mut self) {
        self.layout.reset(&mut self.page);
        match &mut self.model {
            Model::Console(console) => console.reset(),
            Model::Delegation(shared) => shared.reset(),
        }
    }
}
