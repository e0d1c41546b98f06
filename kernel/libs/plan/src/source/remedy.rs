//! What to do about a violation, where the plan's source allows more exact words than the rule has.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use addr::PageSize;

use crate::{Function, PartitionPlace as At, Place, Plan, Rule, Violation};

/// How much of what the machine has is listed.
const MOST_LISTED: usize = 8;

/// What to do about `violation`, if that is more exact than the rule's remedy.
pub fn remedy(plan: &Plan, violation: &Violation) -> Option<String> {
    let machine = &plan.machine;
    match violation.rule {
        Rule::UnknownCore => Some(format!(
            "{}: {}",
            violation.rule.remedy(),
            list(&machine.cores)
        )),
        Rule::MemoryOutsideMachine => Some(format!(
            "{}: {}",
            violation.rule.remedy(),
            list(&machine.memory)
        )),
        Rule::UnknownFunction => {
            let wanted = function(plan, violation.place)?.physical();
            let has: Vec<_> = machine.functions.iter().map(|one| one.address).collect();
            Some(format!(
                "add a `[[machine.function]]` with `address = \"{wanted}\"`, or correct the \
                 address; the machine has {}",
                list(&has)
            ))
        }
        Rule::VirtualFunctionTooHigh => {
            let physical = function(plan, violation.place)?.physical();
            let mut functions = machine.functions.iter();
            let found = functions.find(|one| one.address == physical)?;
            (found.virtual_functions > 0).then(|| {
                let count = found.virtual_functions;
                format!("stay within the {count} virtual functions of {physical}")
            })
        }
        Rule::MemoryMisaligned | Rule::RoomInvalid => unit(plan, violation.place),
        _ => None,
    }
}

/// The first of `things`, and how many more there are.
fn list<T: ToString>(things: &[T]) -> String {
    if things.is_empty() {
        return "none".into();
    }
    let first = things.iter().take(MOST_LISTED).map(T::to_string);
    let text = first.collect::<Vec<_>>().join(", ");
    match things.len().saturating_sub(MOST_LISTED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// The function that the plan gives away there.
fn function(plan: &Plan, place: Place) -> Option<Function> {
    let Place::Partition(index, At::Function(number) | At::VirtualNumber(number)) = place else {
        return None;
    };
    let functions = &plan.partitions.get(index)?.functions;
    functions.get(number).copied()
}

/// What somebody meant who has left out a size's unit: so few bytes make no page.
fn unit(plan: &Plan, place: Place) -> Option<String> {
    let Place::Partition(index, place) = place else {
        return None;
    };
    let partition = plan.partitions.get(index)?;
    let bytes = match place {
        At::MemoryRange(number) => partition.memory.get(number)?.bytes(),
        At::Room => partition.image_room?,
        _ => return None,
    };
    let is_few = (1..PageSize::Size4KiB.bytes()).contains(&bytes);
    is_few.then(|| format!("{bytes} bytes; did you mean \"{bytes}M\"?"))
}
