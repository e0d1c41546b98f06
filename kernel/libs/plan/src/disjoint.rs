//! The decision that everything has one owner.
//!
//! Cores, RAM and PCI functions are put in order, so that what is owned twice stands side
//! by side. Every party to a conflict is in one of the violations found.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use addr::{HostPhysical, Range, RequesterId};

use crate::{Function, Partition, PartitionPlace, Place, Plan, Rule, Violation};

/// Adds a violation for each core, byte of RAM, PCI function and NVMe namespace that has more
/// than one owner: Bulkhead (the housekeeping core) or a partition.
pub fn add_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    add_name_conflicts(plan, violations);
    add_core_conflicts(plan, violations);
    add_memory_conflicts(plan, violations);
    add_function_conflicts(plan, violations);
    add_physical_function_conflicts(plan, violations);
    add_namespace_conflicts(plan, violations);
}

/// Something that a partition holds, and where the plan says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holding<K> {
    key: K,
    index: usize,
    place: PartitionPlace,
}

impl<K> Holding<K> {
    const fn place(&self) -> Place {
        Place::Partition(self.index, self.place)
    }

    /// That this contradicts `first`.
    fn against(&self, first: &Self, rule: Rule, what: String) -> Violation {
        Violation::new(rule, self.place(), what).against(first.place())
    }
}

/// Everything that `list` finds in the partitions, in order.
fn holdings<'a, K: Ord, I: Iterator<Item = (PartitionPlace, K)>>(
    plan: &'a Plan,
    list: impl Fn(&'a Partition) -> I,
) -> Vec<Holding<K>> {
    let of =
        |(index, partition)| list(partition).map(move |(place, key)| Holding { key, index, place });
    let mut found: Vec<_> = plan.partitions.iter().enumerate().flat_map(of).collect();
    found.sort_unstable();
    found
}

/// Calls `report` with each later holding of something and its first one.
fn for_each_duplicate<K: Ord>(
    holdings: &[Holding<K>],
    mut report: impl FnMut(&Holding<K>, &Holding<K>),
) {
    for group in holdings.chunk_by(|left, right| left.key == right.key) {
        if let Some((first, rest)) = group.split_first() {
            rest.iter().for_each(|later| report(later, first));
        }
    }
}

fn owner(plan: &Plan, index: usize) -> String {
    let name = plan
        .partitions
        .get(index)
        .map_or("", |partition| &partition.name);
    format!("partition {name:?}")
}

/// Names both owners of something that should have one.
fn both_own<K>(plan: &Plan, what: &str, later: &Holding<K>, first: &Holding<K>) -> String {
    let owner_of_first = owner(plan, first.index);
    if later.index == first.index {
        return format!("{what} is given to {owner_of_first} twice");
    }
    format!(
        "{what} is given to {owner_of_first} and to {}",
        owner(plan, later.index)
    )
}

fn add_name_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    let names = holdings(plan, |partition| {
        core::iter::once((PartitionPlace::Name, partition.name.as_str()))
    });
    for_each_duplicate(&names, |later, first| {
        let (name, one, two) = (later.key, first.index, later.index);
        let what = format!("partition[{one}] and partition[{two}] are both named {name:?}");
        violations.push(later.against(first, Rule::DuplicatePartitionName, what));
    });
}

fn add_core_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    let cores = holdings(plan, |partition| {
        let place = |(number, core)| (PartitionPlace::Core(number), core);
        partition.cores.iter().copied().enumerate().map(place)
    });
    for_each_duplicate(&cores, |later, first| {
        let what = both_own(plan, &format!("core {}", later.key), later, first);
        violations.push(later.against(first, Rule::CoreUsedTwice, what));
    });
    let housekeeping = plan.machine.housekeeping;
    for used in cores.iter().filter(|used| used.key == housekeeping) {
        let owner = owner(plan, used.index);
        let what = format!("core {housekeeping} is Bulkhead's and is given to {owner}");
        violations.push(
            Violation::new(Rule::HousekeepingCoreUsed, used.place(), what)
                .against(Place::Housekeeping),
        );
    }
}

fn add_memory_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    let ranges = holdings(plan, |partition| {
        let place = |(number, range)| (PartitionPlace::MemoryRange(number), range);
        partition.memory.iter().copied().enumerate().map(place)
    });
    // In order of their starts, a range overlaps one before it exactly if it starts below
    // the furthest end so far.
    let mut furthest: Option<&Holding<Range<HostPhysical>>> = None;
    for range in &ranges {
        if let Some(before) = furthest.filter(|before| range.key.start() < before.key.end()) {
            let (later, first) = if range.index < before.index {
                (before, range)
            } else {
                (range, before)
            };
            let what = format!(
                "memory {} of {} overlaps memory {} of {}",
                later.key,
                owner(plan, later.index),
                first.key,
                owner(plan, first.index)
            );
            violations.push(later.against(first, Rule::MemoryOverlap, what));
        }
        if furthest.is_none_or(|before| range.key.end() > before.key.end()) {
            furthest = Some(range);
        }
    }
}

/// A physical function, and the number of one of its virtual functions or `None` for all
/// of it.
type FunctionKey = (RequesterId, Option<u16>);

fn function_holdings(plan: &Plan) -> Vec<Holding<FunctionKey>> {
    holdings(plan, |partition| {
        partition
            .functions
            .iter()
            .enumerate()
            .map(|(number, function)| match *function {
                Function::Whole { address } => (PartitionPlace::Function(number), (address, None)),
                Function::Virtual {
                    physical,
                    number: virtual_number,
                    ..
                } => (
                    PartitionPlace::VirtualNumber(number),
                    (physical, Some(virtual_number)),
                ),
            })
    })
}

fn add_function_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    for_each_duplicate(&function_holdings(plan), |later, first| {
        let function = match later.key {
            (address, None) => format!("function {address}"),
            (physical, Some(number)) => format!("virtual function {number} of {physical}"),
        };
        let what = both_own(plan, &function, later, first);
        violations.push(later.against(first, Rule::FunctionGivenTwice, what));
    });
}

/// Who owns a physical function can make its virtual functions do DMA, so nobody else may have
/// one of them; and its reset, which precedes each of its owner's starts, switches them off, so
/// its owner cannot have one either.
fn add_physical_function_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    let functions = function_holdings(plan);
    for group in functions.chunk_by(|left, right| left.key.0 == right.key.0) {
        // `None` is less than every number: what is given as a whole stands first.
        let (all, parts) = group.split_at(group.partition_point(|one| one.key.1.is_none()));
        for part in parts {
            for whole in all {
                let what = format!(
                    "function {} is given to {}, and its virtual function {} to {}",
                    whole.key.0,
                    owner(plan, whole.index),
                    part.key.1.unwrap_or_default(),
                    owner(plan, part.index)
                );
                violations.push(whole.against(part, Rule::PhysicalFunctionGiven, what));
            }
        }
    }
}

fn add_namespace_conflicts(plan: &Plan, violations: &mut Vec<Violation>) {
    let namespaces =
        holdings(plan, |partition| {
            partition.functions.iter().enumerate().filter_map(
                |(number, function)| match *function {
                    Function::Virtual {
                        physical,
                        namespace: Some(namespace),
                        ..
                    } => Some((PartitionPlace::Namespace(number), (physical, namespace))),
                    _ => None,
                },
            )
        });
    for_each_duplicate(&namespaces, |later, first| {
        let (physical, namespace) = later.key;
        let what = both_own(
            plan,
            &format!("namespace {namespace} of {physical}"),
            later,
            first,
        );
        violations.push(later.against(first, Rule::NamespaceGivenTwice, what));
    });
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
