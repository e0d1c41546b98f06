//! Giving functions to a partition.

extern crate alloc;
use alloc::boxed::Box;
use alloc::vec::Vec;

use addr::{Address, GuestPhysical, HostPhysical, PageSize, Range, RequesterId};
use guest_image::MemoryMap;
use page_table::{Access, Format, MapError, MemoryKind, PageTable};
use pci_config::bar::{self, Bar, BarKind, Bars};
use pci_config::identity::Identity;
use pci_config::msix::{self, Msix};
use pci_config::window::Windows;
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
use crate::vcpu::instruction::cpuid;

const PAGE: u64 = PageSize::Size4KiB.bytes();
/// The CPUID leaf whose EAX has the number of physical address bits in bits 7:0.
const ADDRESS_SIZES: u32 = 0x8000_0008;
/// Functions on the one bus that the guest sees.
const BUS_FUNCTIONS: u64 = 256;

/// What a partition has of functions.
pub struct Given {
    /// The machine's.
    pub functions: Vec<Function>,
    /// Those that Bulkhead is.
    pub synthetic: Vec<Synthetic>,
    /// The memory windows of the guest's PCI root: exactly their BARs.
    pub windows: Vec<Range<GuestPhysical>>,
}

/// Gives the functions of `source` to the partition, and the synthetic ones: their
/// configuration pages and BARs appear in its second-stage table, where `map` has room for them.
///
/// # Errors
/// Names the function that cannot be given away, and why.
pub fn assign<F: Format>(
    source: &plan::Partition,
    resources: &mut Resources<'_>,
    table: &mut PageTable<F>,
    memory: &GuestRam,
    map: &MemoryMap,
) -> Result<Given, BuildError<'static>> {
    let mut windows = Windows::new(map.low_window(), map.high_window(address_bits::<F>()));
    // They come first: no BAR of a device's is so large that one of these finds no room.
    let synthetic = synthetic::give(source, table, memory, &mut windows)?;
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
                give(found, resources, table, &mut windows)
            })
            .map_err(|why| BuildError::Device(address, why))?;
        functions.push(function);
    }
    let given = Given {
        functions,
        synthetic,
        windows: windows.used().collect(),
    };
    map_configuration(table, map.ecam(), &given)?;
    Ok(given)
}

/// How many bits a guest's physical addresses have: the processor's, as CPUID tells it, and no
/// more than its second-stage table translates.
fn address_bits<F: Format>() -> u32 {
    let processors = cpuid(ADDRESS_SIZES, 0).eax & 0xff;
    processors.min(F::ADDRESS_BITS)
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
                kind: Kind::Whole,
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
                kind: Kind::Virtual { vendor, device },
                bars,
            })
        }
    }
}

/// A memory BAR's addresses.
#[derive(Clone, Copy)]
struct Placed {
    /// The machine's.
    host: HostPhysical,
    /// The BAR as the guest sees it.
    guest: Bar,
}

fn give<F: Format>(
    found: Found,
    resources: &mut Resources<'_>,
    table: &mut PageTable<F>,
    windows: &mut Windows<GuestPhysical>,
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
    let mut placed = [None; bar::REGISTERS as usize];
    for (placed, bar) in placed.iter_mut().zip(&bars) {
        let memory = bar.as_ref().filter(|bar| bar.kind != BarKind::Io);
        *placed = memory
            .map(|bar| place(bar, resources, windows))
            .transpose()?;
    }
    let messages = msix.map(|msix| message_table(&placed, msix)).transpose()?;
    let trapped = messages.as_ref().map(|messages| messages.trapped);
    for bar in placed.iter().flatten() {
        map_bar(table, bar, trapped)?;
    }
    let mut page = ImagePage::allocate()?;
    let seen = placed.map(|bar| bar.map(|bar| bar.guest));
    let layout = config_space::build(&mut page, &config, kind, seen);
    let own_bars = kind == Kind::Whole;
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

/// Finds a memory BAR a place in the guest. In the machine it must have pages of its own, where
/// no RAM, no part of the chipset and no other partition's BAR is.
fn place(
    bar: &Bar,
    resources: &mut Resources<'_>,
    windows: &mut Windows<GuestPhysical>,
) -> Result<Placed, DeviceError> {
    let refuse = |why| DeviceError::Bar {
        index: bar.index,
        why,
    };
    let host = Range::new(HostPhysical::new(bar.address), bar.size);
    let host = host.ok_or(refuse("has no size"))?;
    if bar.address == 0 {
        return Err(refuse("has no address: the firmware assigned none"));
    }
    if !host.is_aligned(PageSize::Size4KiB) {
        return Err(refuse(
            "is smaller than a page, which it may share with another function",
        ));
    }
    if !resources.claim(host) {
        return Err(refuse(
            "lies over RAM, the chipset's registers or another function's BAR",
        ));
    }
    let guest = windows.place(bar);
    let guest = guest.ok_or(refuse("finds no room beside the guest's memory"))?;
    Ok(Placed {
        host: host.start(),
        guest,
    })
}

fn message_table(bars: &[Option<Placed>], msix: Msix) -> Result<MessageTable, DeviceError> {
    let index = msix.table.bar;
    let refuse = |why| DeviceError::Bar { index, why };
    let mut bars = bars.iter().flatten();
    let bar = bars.find(|bar| bar.guest.index == index);
    let bar = bar.ok_or(refuse(
        "does not exist, but is said to hold the MSI-X table",
    ))?;
    let outside = refuse("ends before the MSI-X table does");
    let start = u64::from(msix.table.offset);
    let end = start.saturating_add(msix.table_bytes().into());
    if end > bar.guest.size {
        return Err(outside);
    }
    let first = start & !(PAGE - 1);
    let bytes = end.next_multiple_of(PAGE).saturating_sub(first);
    let host = bar.host.checked_add(first);
    let host = host.and_then(|start| Range::new(start, bytes));
    let guest = GuestPhysical::new(bar.guest.address).checked_add(first);
    let trapped = guest.and_then(|start| Range::new(start, bytes));
    let (Some(host), Some(trapped)) = (host, trapped) else {
        return Err(outside);
    };
    paging::map_device(host)?;
    // SAFETY: pages of a BAR that `place` has found to be a memory BAR of its own, just mapped
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
    bar: &Placed,
    trapped: Option<Range<GuestPhysical>>,
) -> Result<(), MapError> {
    let start = GuestPhysical::new(bar.guest.address);
    let whole = Range::new(start, bar.guest.size).ok_or(MapError::Misaligned)?;
    let hole = trapped.filter(|trapped| whole.encloses(*trapped));
    let (hole_start, hole_end) = hole.map_or((whole.end(), whole.end()), |hole| {
        (hole.start(), hole.end())
    });
    for (from, to) in [(start, hole_start), (hole_end, whole.end())] {
        let offset = from.checked_offset_from(start).unwrap_or(0);
        let bytes = to.checked_offset_from(from).unwrap_or(0);
        let host = bar.host.checked_add(offset);
        if let Some(host) = host.and_then(|start| Range::new(start, bytes)) {
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
    ecam: Range<GuestPhysical>,
    given: &Given,
) -> Result<(), BuildError<'static>> {
    let absent = ABSENT.try_call_once(absent_page)?;
    let pages: Vec<HostPhysical> = (0..BUS_FUNCTIONS)
        .map(|device_function| {
            let page = match slot(device_function as u8) {
                Some(Slot::Real(index)) => given.functions.get(index).map(|one| &one.page),
                Some(Slot::Synthetic(index)) => given.synthetic.get(index).map(Synthetic::page),
                None => None,
            };
            page.map_or(*absent, |page| page.range().start())
        })
        .collect();
    let mut at = ecam.start();
    for same in pages.chunk_by(PartialEq::eq) {
        let bytes = PAGE.saturating_mul(same.len() as u64);
        if let Some(page) = same.first() {
            table.map_to_one_page(&mut CoherentTables, at, bytes, *page, Access::READ)?;
        }
        at = at.checked_add(bytes).ok_or(MapError::BeyondAddressWidth)?;
    }
    Ok(())
}
