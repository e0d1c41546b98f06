//! The physical functions whose virtual functions the plan gives away: switched on once, for
//! all partitions together, before any partition is built.

extern crate alloc;
use alloc::vec::Vec;

use addr::{HostPhysical, Range, RequesterId};
use pci_config::bar;
use pci_config::header::Class;
use plan::{Fit, Function, Plan};

use crate::iommu::Iommu;
use crate::log;
use crate::pci::inventory::Inventory;
use crate::pci::single_root_io::PhysicalFunction;
use crate::steward::nvme::Steward;

/// A virtual function that the plan names: its number and its NVMe namespace.
type Wanted = (u16, Option<u32>);

/// The physical functions that are on, and those that could not be switched on.
#[derive(Default)]
pub struct Provision {
    ready: Vec<PhysicalFunction>,
}

impl Provision {
    /// Switches on what the partitions of `plan` that `fit` name. What fails is reported and
    /// missing from then on: only its partitions do not start.
    pub fn of(plan: &Plan, fit: &Fit, inventory: &Inventory, iommu: &Iommu) -> Self {
        let partitions = plan.partitions.iter().enumerate();
        let fitting = partitions.filter(|(index, _)| fit.may_start(*index));
        let functions: Vec<Function> = fitting
            .flat_map(|(_, partition)| partition.functions.iter().copied())
            .collect();
        let mut physical: Vec<RequesterId> = functions
            .iter()
            .filter(|function| matches!(function, Function::Virtual { .. }))
            .map(|function| function.physical())
            .collect();
        physical.sort_unstable();
        physical.dedup();
        let mut ready = Vec::new();
        let mut taken = Vec::new();
        for address in physical {
            let wanted = wanted(&functions, address);
            match switch_on(inventory, iommu, (address, &wanted), &mut taken) {
                Ok(function) => ready.push(function),
                Err(why) => log!("virtual functions of {address} are not given away: {why}"),
            }
        }
        Self { ready }
    }

    /// The physical function at `address`, if its virtual functions are on.
    pub fn physical(&self, address: RequesterId) -> Option<&PhysicalFunction> {
        self.ready
            .iter()
            .find(|function| function.address == address)
    }
}

fn wanted(functions: &[Function], address: RequesterId) -> Vec<Wanted> {
    let of_this = functions.iter().filter_map(|function| match function {
        Function::Virtual {
            physical,
            number,
            namespace,
        } if *physical == address => Some((*number, *namespace)),
        _ => None,
    });
    of_this.collect()
}

fn switch_on(
    inventory: &Inventory,
    iommu: &Iommu,
    (address, wanted): (RequesterId, &[Wanted]),
    taken: &mut Vec<Range<HostPhysical>>,
) -> Result<PhysicalFunction, alloc::boxed::Box<dyn core::fmt::Display>> {
    iommu.check(address, inventory).map_err(display)?;
    let highest = wanted.iter().map(|(number, _)| *number).max().unwrap_or(0);
    let function =
        PhysicalFunction::prepare(inventory, address, highest, taken).map_err(display)?;
    let is_nvme = inventory
        .header(address)
        .is_some_and(|header| header.class == Class::NVM_EXPRESS);
    if !is_nvme {
        function.enable(inventory).map_err(display)?;
        return Ok(function);
    }
    let bars = bar::size_bars(&function.config);
    let registers = bars.first().and_then(Option::as_ref);
    let mut steward =
        Steward::start(address, function.config, registers, iommu).map_err(display)?;
    steward.take_namespaces(wanted).map_err(display)?;
    for (number, _) in wanted {
        steward.assign(*number).map_err(display)?;
    }
    function.enable(inventory).map_err(display)?;
    for (number, namespace) in wanted {
        steward.online(*number, *namespace).map_err(display)?;
    }
    Ok(function)
}

fn display<'a>(
    why: impl core::fmt::Display + 'a,
) -> alloc::boxed::Box<dyn core::fmt::Display + 'a> {
    alloc::boxed::Box::new(why)
}
