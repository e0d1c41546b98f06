//! From a booted machine to running partitions, step by step.

extern crate alloc;
use alloc::boxed::Box;
use alloc::vec::Vec;

use addr::{ApicId, HostPhysical, Range};
use boot_info::BootInfo;
use page_table::MapError;
use plan::bundle::Bundle;
use plan::{ActualMachine, Fit, ImageIndex, Plan};
use thiserror::Error;

use crate::cpu::bring_up::{self, StartError};
use crate::cpu::core::{Core, OutOfFrames, Work, choose_kick, go_on, main_stack};
use crate::cpu::{interrupts, local_apic, time, topology};
use crate::host::firmware::{self, Firmware, FirmwareError};
use crate::host::memory_map::MemoryMap;
use crate::host::physical::Ram;
use crate::host::{frames, heap, lines, paging, wall_clock};
use crate::housekeeping::House;
use crate::iommu::{Iommu, IommuError};
use crate::mgmt::{About, Channel};
use crate::module::{self, ModuleError};
use crate::partition::build::{self, BuildError, Resources};
use crate::partition::custody::Custody;
use crate::pci::ecam::Ecam;
use crate::pci::inventory::Inventory;
use crate::vcpu::Backend;
use crate::vcpu::seat::{self, Seat};
use crate::{cannot_run, housekeeping, log};

/// Why Bulkhead cannot run on this machine at all.
#[derive(Debug, Error)]
pub enum BootError {
    /// The firmware's tables are unusable.
    #[error("{0}")]
    Firmware(FirmwareError),
    /// There is no plan.
    #[error("{0}")]
    Module(ModuleError),
    /// No free memory for Bulkhead's own tables.
    #[error(
        "no {} KiB of memory below 4 GiB are left beside the plan's partitions; leave some",
        frames::pool_bytes(1) >> 10
    )]
    NoMemory,
    /// Bulkhead's own address space could not be built.
    #[error("Bulkhead's own address space: {0:?}")]
    Paging(MapError),
    /// Time cannot be measured.
    #[error("{0}; enable the PIT (8254) in the firmware, or under QEMU leave out -machine pit=off")]
    Time(&'static str),
    /// The page where application processors start is not RAM.
    #[error("the firmware keeps the page at 0x8000, where application processors start")]
    NoTrampoline,
    /// The CPU has no x2APIC mode.
    #[error(
        "the CPU has no x2APIC mode; enable it in the firmware, or under QEMU use \
         -cpu EPYC-Rome,+x2apic"
    )]
    NoX2Apic,
    /// The plan wants another housekeeping core than the one that boots.
    #[error(
        "the plan's housekeeping core is {wanted}, but the machine boots on core {found}; \
         set machine.housekeeping = {found}"
    )]
    Housekeeping { wanted: ApicId, found: ApicId },
    /// A core's stacks found no room.
    #[error("no memory is left for the cores' stacks")]
    OutOfFrames,
    /// The IOMMU is missing or unusable.
    #[error(
        "{0}; enable VT-d with interrupt remapping in the firmware, or under QEMU use \
         -device intel-iommu,intremap=on,eim=on"
    )]
    Iommu(IommuError),
}

impl From<OutOfFrames> for BootError {
    fn from(_: OutOfFrames) -> Self {
        Self::OutOfFrames
    }
}

/// What every back end builds on: memory, firmware tables, the plan.
pub struct Foundation {
    firmware: Firmware,
    bundle: Bundle<'static>,
    plan: &'static Plan,
    memory_map: MemoryMap,
}

impl Foundation {
    /// Reads what the machine and the boot loader say, and enters Bulkhead's address space.
    ///
    /// # Errors
    /// Names what is missing.
    pub fn lay(boot: &BootInfo) -> Result<Self, BootError> {
        let firmware = firmware::read(boot.rsdp).map_err(BootError::Firmware)?;
        let module = boot.module.ok_or(BootError::Module(ModuleError::Absent))?;
        let (bundle, plan) = module::open(module).map_err(BootError::Module)?;
        let plan: &'static Plan = Box::leak(Box::new(plan));
        let mut memory_map = MemoryMap::new(boot);
        memory_map.reserve(module);
        let image = paging::kernel_image().ok_or(BootError::NoMemory)?;
        memory_map.reserve(image);
        let owned = plan
            .partitions
            .iter()
            .flat_map(|partition| partition.memory.iter().copied());
        let pool = memory_map
            .find(frames::pool_bytes(cores(plan).count()), owned)
            .ok_or(BootError::NoMemory)?;
        memory_map.reserve(pool);
        // SAFETY: the firmware calls it usable RAM; it is neither the kernel's image nor the
        // module, no partition's either, and below 4 GiB, which the boot tables map.
        frames::initialise(unsafe { Ram::new(pool) });
        paging::initialise(&memory_map.data(image, module)).map_err(BootError::Paging)?;
        if !memory_map.is_usable(bring_up::TRAMPOLINE) {
            return Err(BootError::NoTrampoline);
        }
        lines::open_console(&plan.machine, &firmware);
        Ok(Self {
            firmware,
            bundle,
            plan,
            memory_map,
        })
    }
}

impl Foundation {
    /// Memory that is something else than a function's registers: RAM, configuration space, the
    /// registers of `iommu`, and the addresses below 4 GiB that PCs keep for I/O APICs, HPET,
    /// local APICs and firmware (Intel SDM 325384-080, volume 3A, section 11.4.1).
    fn occupied(&self, iommu: &Iommu) -> Vec<Range<HostPhysical>> {
        const CHIPSET: HostPhysical = HostPhysical::new(0xfec0_0000);
        const CHIPSET_BYTES: u64 = 0x0140_0000;
        let mut occupied = self.memory_map.usable();
        occupied.extend(Range::new(CHIPSET, CHIPSET_BYTES));
        occupied.extend(self.firmware.ecam.iter().filter_map(Ecam::range));
        occupied.extend(iommu.registers());
        occupied
    }
}

/// The machine with everything switched on that partitions need.
struct Machine<B: Backend> {
    iommu: &'static Iommu,
    inventory: Inventory,
    starts: Vec<&'static bring_up::Start<Seat<B>>>,
}

/// Builds and starts every partition that fits, then keeps house.
pub fn run<B: Backend>(foundation: Foundation) -> ! {
    let machine = switch_on::<B>(&foundation).unwrap_or_else(|why| cannot_run(why));
    let partitions = build_partitions(&foundation, &machine);
    housekeeping::report(&partitions);
    let channels = channels::<B>(&foundation, &partitions);
    let stack =
        main_stack(Work::Housekeeping).unwrap_or_else(|_| cannot_run(BootError::OutOfFrames));
    let house = House::new(partitions, machine.iommu, channels, B::given_up());
    let house = Box::leak(Box::new(house));
    heap::seal();
    // SAFETY: the stack is this core's from here on, and nobody has a borrow of what lies on the
    // boot's: all that the house works on lives for ever, as its type says.
    unsafe { go_on(stack, House::run, house) }
}

/// The management channels: the machine's, where the plan names a line for it, and those of
/// partitions with rights.
fn channels<B: Backend>(
    foundation: &Foundation,
    partitions: &[Custody],
) -> Vec<&'static mut Channel> {
    let about = About {
        plan: foundation.plan,
        plan_crc32c: foundation.bundle.checksum(ImageIndex(0)).unwrap_or(0),
        back_end: B::NAME,
    };
    let line = lines::open_management(&foundation.plan.machine, &foundation.firmware);
    let line = line.unwrap_or_else(|why| {
        log!("no management channel: {why}");
        None
    });
    let own = line.map(|port| ("the machine", Channel::of_machine(port, about)));
    let delegated = foundation.plan.partitions.iter().filter_map(|rights| {
        let mut partitions = partitions.iter();
        let custody = partitions.find(|custody| custody.partition.name == rights.name)?;
        let pages = custody.partition.shared_pages()?;
        let channel = Channel::of_partition(custody.partition, pages, rights, about);
        Some((rights.name.as_str(), channel))
    });
    let placed = own.into_iter().chain(delegated);
    placed
        .filter_map(|(of, channel)| {
            if channel.is_none() {
                log!("no memory is left for the management channel of {of}");
            }
            channel
        })
        .collect()
}

/// Blocks all DMA, looks at the buses and wakes every core.
fn switch_on<B: Backend>(foundation: &Foundation) -> Result<Machine<B>, BootError> {
    if !local_apic::is_supported() {
        return Err(BootError::NoX2Apic);
    }
    interrupts::mask_legacy_controllers();
    local_apic::enable();
    let found = local_apic::id();
    let wanted = foundation.plan.machine.housekeeping;
    if found != wanted {
        return Err(BootError::Housekeeping { wanted, found });
    }
    choose_kick(B::KICK);
    Core::new(found)?.install();
    time::calibrate().map_err(BootError::Time)?;
    time::calibrate_timer();
    wall_clock::initialise();
    let iommu = Iommu::block_all(foundation.firmware.dmar, foundation.plan.machine.iommu)
        .map_err(BootError::Iommu)?;
    let inventory = Inventory::read(Ecam::map(&foundation.firmware.ecam));
    let processors = &foundation.firmware.processors;
    let mut starts = Vec::new();
    for id in processors.iter().copied().filter(|id| *id != found) {
        if cores(foundation.plan).any(|wanted| wanted == id) {
            starts.extend(wake(id));
        } else {
            // Wherever the firmware left it, it must not go on in what becomes a partition's memory.
            local_apic::send_init(id);
        }
    }
    log!(
        "{} on {} of {} cores",
        B::NAME,
        starts.len().saturating_add(1),
        processors.len()
    );
    if let Some(caution) = B::caution() {
        log!("caution: {caution}");
    }
    Ok(Machine {
        iommu: Box::leak(Box::new(iommu)),
        inventory,
        starts,
    })
}

/// The cores that partitions are to have.
fn cores(plan: &Plan) -> impl Iterator<Item = ApicId> {
    let partitions = plan.partitions.iter();
    partitions.flat_map(|partition| partition.cores.iter().copied())
}

/// Brings one core up; a core that does not come is reported and missing from then on.
fn wake<B: Backend>(id: ApicId) -> Option<&'static bring_up::Start<Seat<B>>> {
    let (Ok(core), Ok(stack_top)) = (Core::new(id), main_stack(Work::Guest)) else {
        log!("core {id}: no memory is left for its stacks");
        return None;
    };
    let start = bring_up::Start::new(core, stack_top, Seat::new());
    let start: &'static _ = Box::leak(Box::new(start));
    // SAFETY: the boot tables map the kernel and the first page; that page is conventional
    // memory which `MemoryMap` never gives out; this is the only place that starts cores.
    let woken = unsafe { bring_up::start(start, seat::arrive::<B>, paging::boot_root()) };
    match woken {
        Ok(()) => Some(start),
        Err(why @ (StartError::Silent | StartError::Trampoline)) => {
            log!("core {id} is not used: {why}");
            None
        }
    }
}

/// Holds the plan against the machine and builds what fits.
fn build_partitions<B: Backend>(foundation: &Foundation, machine: &Machine<B>) -> Vec<Custody> {
    let plan = foundation.plan;
    let fit = fit(foundation, machine);
    for violation in fit.of_machine() {
        log!("the plan does not fit this machine: {violation}");
    }
    let mut resources = Resources::new(
        foundation.bundle,
        machine.iommu,
        &machine.inventory,
        foundation.occupied(machine.iommu),
        &fit,
    );
    resources.provision(plan);
    let mut built = Vec::new();
    for (index, partition) in plan.partitions.iter().enumerate() {
        let violation = fit.of_machine().chain(fit.of_partition(index)).next();
        let result = match (violation, shared_core(plan, index)) {
            (Some(violation), _) => Err(BuildError::DoesNotFit(violation)),
            (None, Some((own, other))) => Err(BuildError::SharedCore { own, other }),
            (None, None) => build::build(index, partition, &mut resources, &machine.starts),
        };
        match result {
            Ok(partition) => built.push(partition),
            Err(why) => housekeeping::refuse(&partition.name, &why),
        }
    }
    built
}

/// A core of partition `index`, and a thread of the same physical core that is not its own.
fn shared_core(plan: &Plan, index: usize) -> Option<(ApicId, ApicId)> {
    let others = plan.partitions.iter().enumerate();
    let others = others.filter(|(other, _)| *other != index);
    let foreign: Vec<ApicId> = others
        .flat_map(|(_, partition)| partition.cores.iter().copied())
        .chain([plan.machine.housekeeping])
        .collect();
    let own = plan.partitions.get(index)?.cores.iter();
    own.copied().find_map(|own| {
        let shares = |other: &&ApicId| topology::share_a_core(own, **other);
        foreign.iter().find(shares).map(|other| (own, *other))
    })
}

fn fit<B: Backend>(foundation: &Foundation, machine: &Machine<B>) -> Fit {
    let cores = machine.starts.iter().map(|start| start.core.id);
    let actual = ActualMachine {
        cores: cores.chain([local_apic::id()]).collect(),
        memory: foundation.memory_map.free(),
        functions: machine.inventory.assignable(),
    };
    let mut fit = plan::fit(foundation.plan, &actual);
    fit.extend(plan::check_images(
        foundation.plan,
        &foundation.bundle,
        module::checksum,
    ));
    fit
}
