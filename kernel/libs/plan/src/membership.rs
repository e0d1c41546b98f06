//! Whether a machine has what a plan gives away.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use addr::{ApicId, HostPhysical, Range};

use crate::rooms::place_rooms;
use crate::{Function, MachineFunction, PartitionPlace as At, Place, Plan, Rule, Violation};

/// What a machine has: as the plan declares it, or as the kernel found it.
#[derive(Clone, Copy)]
pub struct Resources<'a> {
    pub cores: &'a [ApicId],
    pub memory: &'a [Range<HostPhysical>],
    pub functions: &'a [MachineFunction],
}

/// Adds what `plan` gives away and the machine does not have.
pub fn check_membership(plan: &Plan, has: Resources<'_>, violations: &mut Vec<Violation>) {
    let housekeeping = plan.machine.housekeeping;
    if !has.cores.contains(&housekeeping) {
        let what = format!("the machine has no core {housekeeping} for housekeeping");
        violations.push(Violation::new(Rule::UnknownCore, Place::Housekeeping, what));
    }
    check_rooms(plan, has.memory, violations);
    for (index, partition) in plan.partitions.iter().enumerate() {
        let name = &partition.name;
        let mut add = |place, rule, what| violations.push(Violation::of(index, place, rule, what));
        for (number, core) in partition.cores.iter().enumerate() {
            if !has.cores.contains(core) {
                let what = format!("the machine has no core {core} for partition {name:?}");
                add(At::Core(number), Rule::UnknownCore, what);
            }
        }
        for (number, range) in partition.memory.iter().enumerate() {
            if let Some(missing) = first_missing(*range, has.memory) {
                let what = format!(
                    "memory {range} of partition {name:?} is not all there: nothing at {missing}"
                );
                add(At::MemoryRange(number), Rule::MemoryOutsideMachine, what);
            }
        }
        for (number, function) in partition.functions.iter().enumerate() {
            if let Some((place, rule, what)) = check_function(number, *function, has.functions) {
                add(
                    place,
                    rule,
                    format!("partition {name:?} has {function}, but {what}"),
                );
            }
        }
    }
}

fn check_rooms(plan: &Plan, memory: &[Range<HostPhysical>], violations: &mut Vec<Violation>) {
    let rooms = place_rooms(plan, memory);
    for (index, (partition, room)) in plan.partitions.iter().zip(rooms).enumerate() {
        // No room at all is another rule's to refuse.
        if let (Some(bytes @ 1..), None) = (partition.image_room, room) {
            let name = &partition.name;
            let mebibytes = bytes >> 20;
            let what = format!(
                "no {mebibytes} MiB for images of partition {name:?} are left in one piece"
            );
            violations.push(Violation::of(index, At::Room, Rule::RoomMissing, what));
        }
    }
}

/// The first address of `range` that none of `memory` contains. Neighbours in `memory`
/// count as one.
pub fn first_missing(
    range: Range<HostPhysical>,
    memory: &[Range<HostPhysical>],
) -> Option<HostPhysical> {
    let mut reached = range.start();
    while reached < range.end() {
        // Each step goes on to the end of another element of `memory`.
        let Some(holder) = memory.iter().find(|holder| holder.contains(reached)) else {
            return Some(reached);
        };
        reached = holder.end();
    }
    None
}

fn check_function(
    index: usize,
    function: Function,
    functions: &[MachineFunction],
) -> Option<(At, Rule, String)> {
    let physical = function.physical();
    let Some(found) = functions.iter().find(|found| found.address == physical) else {
        let what = format!("the machine has no function {physical}");
        return Some((At::Function(index), Rule::UnknownFunction, what));
    };
    match function {
        Function::Virtual { number, .. } if number > found.virtual_functions => {
            let what = match found.virtual_functions {
                0 => "it can have no virtual functions".into(),
                limit => format!("it can have only {limit}"),
            };
            Some((At::VirtualNumber(index), Rule::VirtualFunctionTooHigh, what))
        }
        _ => None,
    }
}
