use alloc::collections::BTreeSet;
use alloc::string::ToString;

use proptest::prelude::*;

use super::*;
use crate::testing::{MIB, NVME, any_plan, example, range};

fn conflicts(plan: &Plan) -> Vec<Violation> {
    let mut violations = Vec::new();
    add_conflicts(plan, &mut violations);
    violations
}

/// The one conflict of the example plan after a change.
fn conflict(change: impl FnOnce(&mut Plan)) -> Violation {
    let mut plan = example();
    change(&mut plan);
    let found = conflicts(&plan);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
fn example_is_disjoint() {
    assert_eq!(conflicts(&example()), []);
}

#[test]
fn overlapping_memory_names_both_owners_and_ranges() {
    let found = conflict(|plan| plan.partitions[1].memory[0] = range(1150 * MIB, 10 * MIB));
    assert_eq!(found.rule, Rule::MemoryOverlap);
    assert_eq!(
        found.to_string(),
        "memory 0x47e00000..0x48800000 of partition \"beta\" overlaps memory \
         0x20000000..0x48000000 of partition \"alpha\" [memory-overlap] at \
         partition[1].memory[0] and partition[0].memory[0]; \
         move or shorten one of the two ranges"
    );
    assert_eq!(found.partitions().collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn core_used_twice_is_found_within_a_partition_too() {
    let between = conflict(|plan| plan.partitions[1].cores[1] = addr::ApicId(1));
    assert_eq!(between.rule, Rule::CoreUsedTwice);
    let within = conflict(|plan| plan.partitions[1].cores[1] = addr::ApicId(2));
    assert_eq!(within.what, "core 2 is given to partition \"beta\" twice");
}

#[test]
fn housekeeping_core_is_bulkheads() {
    let found = conflict(|plan| plan.machine.housekeeping = addr::ApicId(3));
    assert_eq!(
        (found.rule, found.other),
        (Rule::HousekeepingCoreUsed, Some(Place::Housekeeping))
    );
}

#[test]
fn virtual_function_is_given_once() {
    let found = conflict(|plan| {
        let number = 1;
        plan.partitions[1].functions[0] = Function::Virtual {
            physical: NVME,
            number,
            namespace: None,
        };
    });
    assert_eq!(found.rule, Rule::FunctionGivenTwice);
    assert!(
        found
            .what
            .starts_with("virtual function 1 of 02:00.0 is given"),
        "{found}"
    );
}

#[test]
fn physical_function_is_not_given_beside_its_virtual_functions() {
    let whole = Function::Whole { address: NVME };
    let between = conflict(|plan| plan.partitions[0].functions[0] = whole);
    let within = conflict(|plan| {
        plan.partitions[0].functions.push(whole);
        plan.partitions[1].functions.clear();
    });
    for found in [between, within] {
        assert_eq!(
            (found.rule, found.place.partition()),
            (Rule::PhysicalFunctionGiven, Some(0))
        );
    }
}

#[test]
fn namespace_is_attached_once() {
    let found = conflict(|plan| {
        plan.partitions[1].functions[0] = Function::Virtual {
            physical: NVME,
            number: 2,
            namespace: Some(2),
        };
    });
    assert_eq!(found.rule, Rule::NamespaceGivenTwice);
}

#[test]
fn names_are_unique() {
    let found = conflict(|plan| plan.partitions[1].name = "alpha".into());
    assert_eq!(found.rule, Rule::DuplicatePartitionName);
}

/// The partitions that are party to a conflict, by comparing everything with everything.
fn parties_by_brute_force(plan: &Plan) -> BTreeSet<usize> {
    let mut parties = BTreeSet::new();
    for (one, left) in plan.partitions.iter().enumerate() {
        if left.cores.contains(&plan.machine.housekeeping) || conflicts_within(left) {
            parties.insert(one);
        }
        for (two, right) in plan.partitions.iter().enumerate().skip(one + 1) {
            if conflict_between(left, right) {
                parties.extend([one, two]);
            }
        }
    }
    parties
}

fn overlap(left: &Range<HostPhysical>, right: &Range<HostPhysical>) -> bool {
    (0..40)
        .map(|page| HostPhysical::new(page * MIB))
        .any(|at| left.contains(at) && right.contains(at))
}

/// Whether two functions cannot both be given away.
fn exclude(left: &Function, right: &Function) -> bool {
    match (left, right) {
        (Function::Whole { address: left }, Function::Whole { address: right }) => left == right,
        (
            Function::Virtual {
                physical: left,
                number: one,
                namespace: first,
            },
            Function::Virtual {
                physical: right,
                number: two,
                namespace: second,
            },
        ) => left == right && (one == two || (first.is_some() && first == second)),
        _ => left.physical() == right.physical(),
    }
}

/// Whether any two different elements are related.
fn any_pair<T>(list: &[T], related: impl Fn(&T, &T) -> bool) -> bool {
    (0..list.len()).any(|one| (0..one).any(|two| related(&list[one], &list[two])))
}

fn conflicts_within(partition: &Partition) -> bool {
    any_pair(&partition.cores, |left, right| left == right)
        || any_pair(&partition.memory, overlap)
        || any_pair(&partition.functions, exclude)
}

fn conflict_between(left: &Partition, right: &Partition) -> bool {
    let functions = |related: &dyn Fn(&Function, &Function) -> bool| {
        left.functions
            .iter()
            .any(|one| right.functions.iter().any(|two| related(one, two)))
    };
    left.name == right.name
        || left.cores.iter().any(|core| right.cores.contains(core))
        || left
            .memory
            .iter()
            .any(|one| right.memory.iter().any(|two| overlap(one, two)))
        || functions(&exclude)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn parties_to_conflicts_are_those_that_brute_force_finds(plan in any_plan()) {
        let expected = parties_by_brute_force(&plan);
        let found: BTreeSet<_> =
            conflicts(&plan).iter().flat_map(Violation::partitions).collect();
        prop_assert_eq!(&found, &expected);
    }
}
