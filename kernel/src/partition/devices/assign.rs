//! Giving functions to a partition.

extern crate alloc;
use alloc::boxed::Box;
use alloc::vec::Vec;

use addr::{Address, GuestPhysical, HostPhysical, PageSize, Range, RequesterId};
use guest_image::layout;
use page_table::{Access, Format, MapError, MemoryKind, PageTable};
use pci_config::bar::{self, Bar, BarKind, Bars};
use pci_config::identity::Identity;
use pci_config::msix::{self, Msix};
use pci_config::{CapabilityId, capability};
use spin::Once;
use vdev::config_space::{self, Kind};

use super::synthetic::{self, Synthetic};
use super::{DeviceError, Function, ImagePage, MessageTable, Slot, slot};
use crate::cpu::time;
use crate::host::frames::{self, CoherentTables};
use crate::host::paging;
use crate::host::physical::Registers;
use crate::partition::build::{BuildError, Resources};
use crate::partition::memory::GuestRam;
use crate::pci::ecam::EcamFunction;

const PAGE: u64 = PageSize::Size4KiB.bytes();
/// Functions on the one bus that the guest sees.
const BUS_FUNCTIONS: u64 = 256;

/// What a partition has of functions: the machine's, and those that Bulkhead is.
pub type Given = (Vec<Function>, Vec<Synthetic>);

/// Gives the functions of `source` to the partition, and the synthetic ones: their
/// configuration pages and BARs appear in its second-stage table.
///
/// # Errors
/// Names the function that cannot be given away, and why.
pub fn assign<F: Format>(
    source: &plan::Partition,
    resources: &mut Resources<'_>,
    table: &mut PageTable<F>,
    memory: &GuestRam,
) -> Result<Given, BuildError<'static>> {
    let mut functions = Vec::new();
    for wanted in &source.functions {
        let found = find(*wanted, resources);
        let address = found
            .as_ref()
            .map_or(wanted.physical(), |found| found.address);
        let function = found
            .ok_or(DeviceError::Absent)
            .and_then(|found| {
                resources
                    .iommu
                    .check(wanted.physical(), resources.inventory)?;
                give(found, resources, table, memory)
            })
            .map_err(|why| BuildError::Device(address, why))?;
        functions.push(function);
    }
    let given = (functions, synthetic::give(source, table, memory)?);
    map_configuration(table, &given)?;
    Ok(given)
}

/// The memory windows of the guest's PCI root: exactly its functions' BARs.
pub fn windows((functions, synthetic): &Given) -> Vec<Range<GuestPhysical>> {
    let bars = functions
        .iter()
        .flat_map(|function| function.bars().iter().flatten());
    bars.filter_map(|bar| Range::new(GuestPhysical::new(bar.address), bar.size))
        .chain(synthetic.iter().map(Synthetic::bar))
        .collect()
}

/// A function as the machine has it.
struct Found {
    address: RequesterId,
    config: EcamFunction,
    kind: Kind,
    bars: Bars,
}

fn find(wanted: plan::Function, resources: &Resources<'_>) -> Option<Found> {
    match wanted {
        plan::Function::Whole { address } => {
            let config = resources.inventory.config(address)?;
            resources.inventory.header(address)?;
            let bars = bar::size_bars(&config);
            Some(Found {
                address,
                config,
                kind: Kind::Whole { bars },
                bars,
            })
        }
        plan::Function::Virtual {
            physical, number, ..
        } => {
            let vendor = resources.inventory.header(physical)?.vendor;
            let physical = resources.provision.physical(physical)?;
            let address = physical.virtual_function(number)?;
            let config = resources.inventory.config(address)?;
            let bars = physical.bars_of(number);
            let device = physical.capability.vf_device_id;
            Some(Found {
                address,
                config,
                kind: Kind::Virtual {
                    vendor,
                    device,
                    bars,
                },
                bars,
            })
        }
    }
}

fn give<F: Format>(
    found: Found,
    resources: &mut Resources<'_>,
    table: &mut PageTable<F>,
    memory: &GuestRam,
) -> Result<Function, DeviceError> {
    let Found {
        address,
        config,
        kind,
        bars,
    } = found;
    let msix = msix::read(&config);
    let has_msi = capability::find(&config, CapabilityId::MSI).is_some();
    let vectors = match msix {
        Some(msix) => msix.entries,
        None if has_msi => 1,
        None => return Err(DeviceError::NoInterrupts),
    };
    let interrupts = resources.iommu.allocate_interrupts(vectors)?;
    for bar in bars.iter().flatten() {
        check(bar, resources, memory)?;
    }
    let messages = msix.map(|msix| message_table(&bars, msix)).transpose()?;
    for bar in bars.iter().flatten().filter(|bar| bar.kind != BarKind::Io) {
        map_bar(
            table,
            bar,
            messages.as_ref().map(|messages| messages.trapped),
        )?;
    }
    let mut page = ImagePage::allocate()?;
    let layout = config_space::build(&mut page, &config, &kind);
    let own_bars = matches!(kind, Kind::Whole { .. });
    let iommu = resources.iommu;
    let mut function = Function {
        address,
        identity: Identity::read(&config),
        config,
        layout,
        page,
        bars,
        own_bars,
        messages,
        interrupts,
        iommu,
    };
    if own_bars {
        function.reset(time::sleep)?
    } else {
        function.settle()?
    }
    Ok(function)
}

/// A BAR must have pages of its own, where no RAM, no part of the chipset and no other
/// partition's BAR is, at an address that the guest's RAM leaves free.
fn check(bar: &Bar, resources: &mut Resources<'_>, memory: &GuestRam) -> Result<(), DeviceError> {
    let refuse = |why| {
        Err(DeviceError::Bar {
            index: bar.index,
            why,
        })
    };
    if bar.kind == BarKind::Io {
        return Ok(());
    }
    let Some(range) = Range::new(GuestPhysical::new(bar.address), bar.size) else {
        return refuse("has no size");
    };
    if bar.address == 0 {
        return refuse("has no address: the firmware assigned none");
    }
    if !range.is_aligned(PageSize::Size4KiB) {
        return refuse("is smaller than a page, which it may share with another function");
    }
    if memory.overlaps(range) {
        return refuse("lies where the guest has its memory");
    }
    // The guest has its configuration space and synthetic functions where the chipset's are.
    let host = Range::new(HostPhysical::new(bar.address), bar.size);
    if !host.is_some_and(|host| resources.claim(host)) {
        return refuse("lies over RAM, the chipset's registers or another function's BAR");
    }
    Ok(())
}

fn message_table(bars: &Bars, msix: Msix) -> Result<MessageTable, DeviceError> {
    let index = msix.table.bar;
    let refuse = |why| DeviceError::Bar { index, why };
    let bar = bars
        .iter()
        .flatten()
        .find(|bar| bar.index == index && bar.kind != BarKind::Io);
    let bar = bar.ok_or(refuse(
        "does not exist, but is said to hold the MSI-X table",
    ))?;
    let outside = refuse("ends before the MSI-X table does");
    let start = u64::from(msix.table.offset);
    let end = start.saturating_add(msix.table_bytes().into());
    if end > bar.size {
        return Err(outside);
    }
    let first = start & !(PAGE - 1);
    let bytes = end.next_multiple_of(PAGE).saturating_sub(first);
    let base = bar.address.saturating_add(first);
    let host = Range::new(HostPhysical::new(base), bytes);
    let trapped = Range::new(GuestPhysical::new(base), bytes);
    let (Some(host), Some(trapped)) = (host, trapped) else {
        return Err(outside);
    };
    paging::map_device(host)?;
    // SAFETY: pages of a BAR that `check` has found to be a memory BAR of its own, just mapped
    // uncached. What is written there can at most start DMA, which the IOMMU confines.
    let registers = unsafe { Registers::new(host) };
    let entries: Box<[_]> = (0..msix.entries)
        .map(|_| vdev::msix::Entry::RESET)
        .collect();
    let offset = u32::try_from(start.saturating_sub(first)).unwrap_or(0);
    Ok(MessageTable {
        capability: msix,
        registers,
        trapped,
        offset,
        entries,
    })
}

/// Maps a BAR's pages but the trapped ones.
fn map_bar<F: Format>(
    table: &mut PageTable<F>,
    bar: &Bar,
    trapped: Option<Range<GuestPhysical>>,
) -> Result<(), MapError> {
    let start = GuestPhysical::new(bar.address);
    let whole = Range::new(start, bar.size).ok_or(MapError::Misaligned)?;
    let hole = trapped.filter(|trapped| whole.encloses(*trapped));
    let (hole_start, hole_end) = hole.map_or((whole.end(), whole.end()), |hole| {
        (hole.start(), hole.end())
    });
    for (from, to) in [(start, hole_start), (hole_end, whole.end())] {
        let bytes = to.checked_offset_from(from).unwrap_or(0);
        if let Some(host) = Range::new(HostPhysical::new(from.as_u64()), bytes) {
            let access = Access::READ | Access::WRITE;
            table.map(
                &mut CoherentTables,
                from,
                host,
                access,
                MemoryKind::Uncached,
            )?;
        }
    }
    Ok(())
}

/// What all guests see of functions that are not there.
static ABSENT: Once<HostPhysical> = Once::new();

/// A page of all ones.
fn absent_page() -> Result<HostPhysical, MapError> {
    let page = frames::allocate(1).ok_or(MapError::OutOfTables)?;
    for offset in (0..PAGE).step_by(8) {
        // The offsets are the page's own.
        let _ = page.write_u64(offset, u64::MAX);
    }
    Ok(page.range().start())
}

/// Maps the one bus that the guest sees: its functions' pages, and for every other function
/// one page of all ones, so that looking for devices costs no exit.
fn map_configuration<F: Format>(
    table: &mut PageTable<F>,
    (functions, synthetic): &Given,
) -> Result<(), BuildError<'static>> {
    let absent = ABSENT.try_call_once(absent_page)?;
    let pages: Vec<HostPhysical> = (0..BUS_FUNCTIONS)
        .map(|device_function| {
            let page = match slot(device_function as u8) {
                Some(Slot::Real(index)) => functions.get(index).map(|one| &one.page),
                Some(Slot::Synthetic(index)) => synthetic.get(index).map(Synthetic::page),
                None => None,
            };
            page.map_or(*absent, |page| page.range().start())
        })
        .collect();
    let mut at = layout::ECAM;
    for same in pages.chunk_by(PartialEq::eq) {
        let bytes = PAGE.saturating_mul(same.len() as u64);
        if let Some(page) = same.first() {
            table.map_to_one_page(&mut CoherentTables, at, bytes, *page, Access::READ)?;
        }
        at = at.checked_add(bytes).ok_or(MapError::BeyondAddressWidth)?;
    }
    Ok(())
}
