use super::*;
use crate::compile::build;
use crate::testing::{MIB, example, example_machine, range};
use crate::{Function, Place, crc32c};

fn rules(fit: &Fit) -> Vec<Rule> {
    fit.violations
        .iter()
        .map(|violation| violation.rule)
        .collect()
}

#[test]
fn example_fits_its_machine() {
    let fit = fit(&example(), &example_machine());
    assert_eq!(fit.violations, []);
    assert!(fit.may_start(0) && fit.may_start(1));
}

#[test]
fn partition_that_does_not_fit_is_refused_alone() {
    let mut machine = example_machine();
    machine.cores.pop();
    machine.memory = alloc::vec![range(16 * MIB, 1400 * MIB)];
    machine.functions[0].virtual_functions = 1;
    let fit = fit(&example(), &machine);
    let expected = [
        Rule::UnknownCore,
        Rule::MemoryOutsideMachine,
        Rule::VirtualFunctionTooHigh,
    ];
    assert_eq!(rules(&fit), expected);
    assert!(fit.may_start(0));
    assert!(!fit.may_start(1));
    assert_eq!(fit.of_partition(1).count(), 3);
}

#[test]
fn both_parties_to_a_conflict_are_refused() {
    let mut plan = example();
    plan.partitions[1].cores[0] = ApicId(1);
    let fit = fit(&plan, &example_machine());
    assert_eq!(rules(&fit), [Rule::CoreUsedTwice]);
    assert!(!fit.may_start(0) && !fit.may_start(1));
}

#[test]
fn without_the_housekeeping_core_nothing_starts() {
    let mut machine = example_machine();
    machine.cores.remove(0);
    let fit = fit(&example(), &machine);
    assert_eq!(
        fit.of_machine().map(|one| one.place).collect::<Vec<_>>(),
        [Place::Housekeeping]
    );
    assert!(!fit.may_start(0) && !fit.may_start(1));
}

#[test]
fn what_the_plan_declares_does_not_stand_in_for_the_machine() {
    let mut machine = example_machine();
    machine.functions.clear();
    let fit = fit(&example(), &machine);
    assert_eq!(rules(&fit), [Rule::UnknownFunction, Rule::UnknownFunction]);
    let mut plan = example();
    plan.machine.cores.clear();
    plan.partitions.iter_mut().for_each(|one| {
        one.functions
            .retain(|function| !matches!(function, Function::Whole { .. }))
    });
    assert_eq!(super::fit(&plan, &example_machine()).violations, []);
}

#[test]
fn missing_damaged_and_empty_images_are_told_apart() {
    let plan = example();
    let mut bytes = build(&[
        ("plan", b"plan"),
        ("vmlinuz", b"kernel"),
        ("initrd", b"ramdisk"),
    ]);
    let with = |bytes: &[u8]| {
        let found = check_images(&plan, &Bundle::parse(bytes).unwrap(), crc32c);
        found
            .iter()
            .map(|one| (one.rule, one.place.partition()))
            .collect::<Vec<_>>()
    };
    assert_eq!(with(&bytes), []);
    let missing = build(&[("plan", b"plan"), ("vmlinuz", b"kernel")]);
    assert_eq!(
        with(&missing),
        [0, 1].map(|index| (Rule::ImageMissing, Some(index)))
    );
    let empty = build(&[("plan", b"plan"), ("vmlinuz", b"kernel"), ("initrd", b"")]);
    assert_eq!(
        with(&empty),
        [0, 1].map(|index| (Rule::ImageEmpty, Some(index)))
    );
    *bytes.last_mut().unwrap() ^= 1;
    assert_eq!(
        with(&bytes),
        [0, 1].map(|index| (Rule::ImageChecksum, Some(index)))
    );
}

#[test]
fn damaged_image_refuses_only_the_partitions_that_use_it() {
    let mut plan = example();
    plan.partitions[1].image = crate::Image::Elf {
        kernel: ImageIndex(2),
        command_line: "".into(),
    };
    let mut bytes = build(&[("plan", b"plan"), ("a", b"a"), ("b", b"b"), ("c", b"c")]);
    plan.partitions[0].image = crate::Image::Linux {
        kernel: ImageIndex(1),
        initial_ramdisk: Some(ImageIndex(3)),
        command_line: "".into(),
    };
    *bytes.last_mut().unwrap() ^= 1;
    let mut fit = fit(&plan, &example_machine());
    fit.extend(check_images(&plan, &Bundle::parse(&bytes).unwrap(), crc32c));
    assert!(!fit.may_start(0));
    assert!(fit.may_start(1));
}

#[test]
fn a_room_that_the_machine_does_not_have_refuses_its_partition_alone() {
    let mut plan = example();
    plan.partitions[0].image_room = Some(64 * MIB);
    plan.partitions[1].image_room = Some(32 * MIB);
    let whole = fit(&plan, &example_machine());
    assert_eq!(whole.violations, []);
    assert_eq!(whole.room(0), Some(range(16 * MIB, 64 * MIB)));
    assert_eq!(whole.room(1), Some(range(80 * MIB, 32 * MIB)));
    let mut machine = example_machine();
    machine.memory = alloc::vec![range(480 * MIB, 1312 * MIB)];
    let found = fit(&plan, &machine);
    assert_eq!(rules(&found), [Rule::RoomMissing]);
    assert!(!found.may_start(0) && found.may_start(1));
    assert_eq!(found.room(0), None);
    assert_eq!(found.room(1), Some(range(480 * MIB, 32 * MIB)));
}
