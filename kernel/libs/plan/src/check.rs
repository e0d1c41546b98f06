//! A plan held against the machine that it declares itself.

use alloc::format;
use alloc::vec::Vec;

use crate::fit::check_alone;
use crate::membership::{Resources, check_membership};
use crate::{Place, Plan, Rule, Violation};

/// Everything that is wrong with `plan`, held against the machine that it declares.
#[must_use]
pub fn check(plan: &Plan) -> Vec<Violation> {
    let mut violations = check_alone(plan);
    let machine = &plan.machine;
    add_machine_duplicates(plan, &mut violations);
    let declared = Resources {
        cores: &machine.cores,
        memory: &machine.memory,
        functions: &machine.functions,
    };
    check_membership(plan, declared, &mut violations);
    violations
}

fn add_machine_duplicates(plan: &Plan, violations: &mut Vec<Violation>) {
    let machine = &plan.machine;
    let mut add = |place, what| {
        violations.push(Violation::new(Rule::MachineDuplicate, place, what));
    };
    for (index, core) in machine.cores.iter().enumerate() {
        if machine
            .cores
            .iter()
            .take(index)
            .any(|before| before == core)
        {
            add(
                Place::MachineCore(index),
                format!("the machine has core {core} twice"),
            );
        }
    }
    for (index, range) in machine.memory.iter().enumerate() {
        if let Some(before) = machine
            .memory
            .iter()
            .take(index)
            .find(|before| before.overlaps(*range))
        {
            let what = format!("the machine's memory {range} overlaps its memory {before}");
            add(Place::MachineMemory(index), what);
        }
    }
    for (index, function) in machine.functions.iter().enumerate() {
        let address = function.address;
        if machine
            .functions
            .iter()
            .take(index)
            .any(|before| before.address == address)
        {
            add(
                Place::MachineFunction(index),
                format!("the machine has function {address} twice"),
            );
        }
    }
}

#[cfg(test)]
mod tests;
