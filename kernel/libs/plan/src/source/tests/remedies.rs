//! What somebody who wrote a plan is told to do.

use alloc::format;
use alloc::vec::Vec;

use super::{GOOD, changed, compile, directory};
use crate::Rule;
use crate::source::reader::Finding;

/// What is found in the example with `from` replaced by `to`: one thing.
fn found(from: &str, to: &str) -> Finding {
    let mut findings = compile(&changed(from, to), directory()).unwrap_err();
    assert_eq!(findings.len(), 1, "{to}: {findings:?}");
    findings.remove(0)
}

fn assert_remedy(from: &str, to: &str, remedy: &str) {
    assert_eq!(found(from, to).remedy.as_deref(), Some(remedy), "{to}");
}

#[test]
fn what_the_machine_does_not_have_is_answered_with_what_it_has() {
    assert_remedy(
        "cores = [2, 3]",
        "cores = [2, 9]",
        "name a core of the machine by its APIC ID: 0, 1, 2, 3",
    );
    assert_remedy(
        "housekeeping = 0",
        "housekeeping = 9",
        "name a core of the machine by its APIC ID: 0, 1, 2, 3",
    );
    assert_remedy(
        "start = \"0x48000000\"",
        "start = \"0x74000000\"",
        "stay within the machine's usable memory: 0x1000000..0x77c00000",
    );
    assert_remedy(
        "physical = \"02:00.0\"",
        "physical = \"03:00.0\"",
        "add a `[[machine.function]]` with `address = \"03:00.0\"`, or correct the address; the \
         machine has 02:00.0",
    );
    assert_remedy(
        "virtual = 2",
        "virtual = 5",
        "stay within the 4 virtual functions of 02:00.0",
    );
}

#[test]
fn of_much_that_the_machine_has_the_first_are_listed() {
    let many = "cores = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\nhousekeeping = 10";
    assert_remedy(
        "cores = [0, 1, 2, 3]\nhousekeeping = 0",
        many,
        "name a core of the machine by its APIC ID: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more",
    );
}

#[test]
fn a_size_without_its_unit_is_recognised() {
    let source = changed("size = \"640M\"", "size = 640");
    let findings = compile(&source, directory()).unwrap_err();
    let remedies: Vec<_> = findings.iter().map(|one| one.remedy.as_deref()).collect();
    assert_eq!(remedies, [Some("640 bytes; did you mean \"640M\"?")]);
}

#[test]
fn an_early_plan_is_told_its_version() {
    let found = found("iommu =", "management = \"0x2f8\"\niommu =");
    assert_eq!(found.rule, Rule::UnknownKey);
    assert_eq!(
        found.what,
        "`management` needs `version = 2` or later, the plan has 1"
    );
    assert_eq!(found.remedy.as_deref(), Some("write `version = 2`"));
}

#[test]
fn what_is_written_in_another_form_is_answered_with_the_form() {
    assert_remedy("cores = [1]", "cores = \"1-3\"", "write `[1, 2, 3]`");
    assert_remedy(
        "memory = [{ start = \"0x20000000\", size = \"640M\" }]",
        "memory = { start = \"0x20000000\", size = \"640M\" }",
        "write `[{ start = …, size = … }]`",
    );
    assert_remedy("version = 1", "", "add `version = 3`");
    let (alpha, _) = GOOD.rsplit_once("[[partition]]").unwrap();
    let source = alpha.replace("[[partition]]", "[partition]");
    let findings = compile(&source, directory()).unwrap_err();
    assert_eq!(findings[0].remedy.as_deref(), Some("write `[[partition]]`"));
    let image = "[partition.image]\nlinux = { kernel = \"../images/vmlinuz\", initrd = \
                 \"../images/initrd.img\", command_line = \"console=ttyS0 quiet\" }";
    assert_remedy(image, "", "add a `[partition.image]`");
    assert_remedy(
        image,
        "[partition.image]",
        "add `linux = { kernel = … }` or `elf = { kernel = … }`",
    );
}

#[test]
fn a_misspelt_key_is_not_a_missing_one_as_well() {
    for (from, to, key) in [
        ("cores = [1]", "coers = [1]", "cores"),
        ("housekeeping =", "housekeping =", "housekeeping"),
    ] {
        let findings = compile(&changed(from, to), directory()).unwrap_err();
        let rules: Vec<_> = findings.iter().map(|one| one.rule).collect();
        let remedy = format!("did you mean `{key}`?");
        assert!(!rules.contains(&Rule::MissingKey), "{findings:?}");
        assert_eq!(findings[0].remedy.as_ref(), Some(&remedy));
    }
    // What is unlike all keys is no reason to keep quiet.
    let findings = compile(&changed("cores = [1]", "scheduler = 1"), directory()).unwrap_err();
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_machine_without_iommu_is_the_plans_word() {
    let findings = compile(
        &changed("iommu = \"required\"", "iommu = \"none\""),
        directory(),
    );
    let what = &findings.unwrap_err()[0].what;
    assert!(
        what.ends_with("but the plan says `iommu = \"none\"`"),
        "{what}"
    );
}
