mod remedies;

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::{ImageIndex, Restart, SerialPort};

const GOOD: &str = include_str!("../../../../../tests/plans/good/example.toml");

pub(super) fn directory() -> &'static Path {
    Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../tests/plans/good"
    ))
}

/// The rules that `source` breaks, each with its line.
fn broken(source: &str) -> Vec<(Rule, usize)> {
    let findings = compile(source, directory()).err().unwrap_or_default();
    let report = Report::new("plan.toml", source.into(), findings);
    let line = |one: &Diagnostic| (one.rule, one.label.as_ref().unwrap().line);
    report.diagnostics.iter().map(line).collect()
}

/// The example with `from` replaced by `to`, in the line that `from` is in first.
fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

fn line_of(source: &str, text: &str) -> usize {
    source.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn example_is_what_it_says() {
    let compiled = compile(GOOD, directory()).unwrap();
    let expected = crate::testing::example();
    assert_eq!(compiled.plan.machine, expected.machine);
    let names: Vec<_> = compiled
        .images
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(names, ["vmlinuz", "initrd.img"]);
    let beta = &compiled.plan.partitions[1];
    assert_eq!(beta.cores, expected.partitions[1].cores);
    assert_eq!(beta.memory, expected.partitions[1].memory);
    assert_eq!(beta.functions, expected.partitions[1].functions);
    let image = crate::Image::Linux {
        kernel: ImageIndex(1),
        initial_ramdisk: Some(ImageIndex(2)),
        command_line: "console=ttyS0 quiet".into(),
    };
    assert_eq!(beta.image, image);
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let source = changed("cores = [1]", "coers = [1]")
        .replacen("\"0x48000000\"", "\"0x47e00000\"", 1)
        .replacen("cores = [2, 3]", "cores = [2, \"3\", 9]", 1)
        .replacen("namespace = 3", "namespace = 2", 1);
    let cores = line_of(&source, "\"3\", 9");
    let mut expected = vec![
        (Rule::UnknownKey, line_of(&source, "coers")),
        (Rule::WrongType, cores),
        (Rule::UnknownCore, cores),
        (Rule::MemoryOverlap, line_of(&source, "0x47e00000")),
        (
            Rule::NamespaceGivenTwice,
            line_of(&source, "virtual = 2") + 1,
        ),
    ];
    expected.sort_by_key(|(_, line)| *line);
    let mut found = broken(&source);
    found.sort_by_key(|(_, line)| *line);
    assert_eq!(found, expected);
}

#[test]
fn what_follows_from_another_mistake_is_not_reported() {
    // Without the machine's cores nothing can be said about the partitions' cores.
    let source = changed("cores = [0, 1, 2, 3]", "cores = \"all\"");
    assert_eq!(
        broken(&source),
        [(Rule::WrongType, line_of(&source, "all"))]
    );
    let source = changed("housekeeping = 0", "");
    assert_eq!(
        broken(&source),
        [(Rule::MissingKey, line_of(&source, "[machine]"))]
    );
    let source = changed("cores = [1]", "cores = [\"1\"]");
    assert_eq!(
        broken(&source),
        [(Rule::WrongType, line_of(&source, "[\"1\"]"))]
    );
    let source = changed("name = \"alpha\"", "name = 7");
    assert_eq!(
        broken(&source),
        [(Rule::WrongType, line_of(&source, "name = 7"))]
    );
}

#[test]
fn misspelt_keys_are_recognised() {
    let findings = compile(&changed("iommu =", "iomnu ="), directory()).unwrap_err();
    assert_eq!(findings[0].remedy.as_deref(), Some("did you mean `iommu`?"));
    let findings = compile(&changed("iommu =", "scheduler ="), directory()).unwrap_err();
    assert!(
        findings[0]
            .remedy
            .as_ref()
            .unwrap()
            .contains("cores, housekeeping")
    );
}

#[test]
fn types_and_values_are_told_apart() {
    for (from, to, rule) in [
        ("cores = [1]", "cores = 1", Rule::WrongType),
        ("cores = [1]", "cores = [-1]", Rule::WrongValue),
        ("cores = [1]", "cores = [4294967295]", Rule::WrongValue),
        ("cores = [1]", "cores = [1.0]", Rule::WrongType),
        (
            "console = \"0x3f8\"",
            "console = \"0x10000\"",
            Rule::WrongValue,
        ),
        ("console = \"0x3f8\"", "console = true", Rule::WrongType),
        (
            "iommu = \"required\"",
            "iommu = \"maybe\"",
            Rule::WrongValue,
        ),
        ("iommu = \"required\"", "iommu = false", Rule::WrongType),
        ("address = \"02:00.0\"", "address = \"2\"", Rule::WrongValue),
        ("virtual = 1", "virtual = 65536", Rule::WrongValue),
        ("size = \"640M\"", "size = 0", Rule::WrongValue),
        (
            "start = \"0x20000000\"",
            "start = \"0xffffffffffffffff\"",
            Rule::WrongValue,
        ),
        (
            "[[machine.function]]",
            "[machine.function]",
            Rule::WrongType,
        ),
    ] {
        let found = broken(&changed(from, to));
        assert!(
            found.iter().any(|(found, _)| *found == rule),
            "{to}: {found:?}"
        );
        let read = found
            .iter()
            .all(|(rule, _)| matches!(rule, Rule::WrongType | Rule::WrongValue));
        assert!(read, "{to}: {found:?}");
    }
}

#[test]
fn identical_images_are_stored_once() {
    let source = changed("../images/initrd.img", "../images/vmlinuz");
    let compiled = compile(&source, directory()).unwrap();
    assert_eq!(compiled.images.len(), 2);
    let image = &compiled.plan.partitions[0].image;
    assert_eq!(image.initial_ramdisk(), Some(image.kernel()));
}

#[test]
fn digest_is_64_hexadecimal_digits() {
    for digest in ["", "00", &"+0".repeat(32), &"é".repeat(32)] {
        let to = format!("kernel_sha256 = \"{digest}\", kernel = \"");
        let source = changed("kernel = \"", &to);
        assert_eq!(
            broken(&source),
            [(Rule::WrongValue, line_of(&source, "sha256"))]
        );
    }
}

#[test]
fn excerpt_points_at_both_parties_to_a_conflict() {
    let source = changed("cores = [2, 3]", "\tcores = [2, 1]");
    let findings = compile(&source, directory()).unwrap_err();
    let text = Report::new("plan.toml", source.clone(), findings).to_string();
    let (first, second) = (line_of(&source, "cores = [1]"), line_of(&source, "[2, 1]"));
    let expected = format!(
        "plan.toml:{second}:14: error[core-used-twice]: \
         core 1 is given to partition \"alpha\" and to partition \"beta\"\n\
         {second:>5} | \tcores = [2, 1]\n      | \t            ^ refused here\n\
         {first:>5} | cores = [1]\n      |          - conflicts with this\n      \
         = remedy: give each core to one partition, once\n\n\
         plan.toml: 1 violation, plan refused\n"
    );
    assert_eq!(text, expected);
}

proptest! {
    #[test]
    fn random_text_never_panics(source in ".{0,200}") {
        let findings = compile(&source, directory()).err().unwrap_or_default();
        let _ = Report::new("plan.toml", source, findings).to_string();
    }

    #[test]
    fn mutated_source_never_panics(at in any::<prop::sample::Index>(), removed in 0_usize..9, put in "[\\[\\]{}\"=,#\n\u{e4}0-9a-z]{0,4}") {
        let start = at.index(GOOD.len());
        let end = (start + removed).min(GOOD.len());
        let source = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        let findings = compile(&source, directory()).err().unwrap_or_default();
        let _ = Report::new("plan.toml", source, findings).to_string();
    }

    #[test]
    fn any_key_of_any_type_never_panics(
        line in any::<prop::sample::Index>(),
        value in prop::sample::select(vec!["1", "-1", "\"\"", "[]", "[[]]", "{}", "[{}]", "true", "1.5", "1979-05-27"]),
    ) {
        let keys: Vec<_> = GOOD.lines().enumerate().filter(|(_, line)| line.contains(" = ")).collect();
        let (index, text) = keys[line.index(keys.len())];
        let (key, _) = text.split_once(" = ").unwrap();
        let replaced = format!("{key} = {value}");
        let lines: Vec<_> = GOOD.lines().enumerate().map(|(at, line)| if at == index { replaced.as_str() } else { line }).collect();
        let source = lines.join("\n");
        let findings = compile(&source, directory()).err().unwrap_or_default();
        let _ = Report::new("plan.toml", source, findings).to_string();
    }
}

#[test]
fn ends_and_the_management_channel_are_read() {
    let source = changed("version = 1", "version = 2").replacen(
        "cores = [1]",
        "restart = \"on-fault\"\nrestart_limit = 7\ncores = [1]",
        1,
    );
    let source = source.replacen("iommu =", "management = \"0x2f8\"\niommu =", 1);
    let plan = compile(&source, directory()).unwrap().plan;
    assert_eq!(plan.machine.management, Some(SerialPort::At(0x2f8)));
    let ends: Vec<_> = plan.partitions.iter().map(|one| one.restart).collect();
    assert_eq!(ends, [Restart::OnFault { limit: 7 }, Restart::OnReboot]);
}

#[test]
fn keys_of_version_2_are_unknown_in_version_1() {
    let source = changed("cores = [1]", "restart = \"never\"\ncores = [1]");
    let line = line_of(&source, "restart");
    assert_eq!(broken(&source), [(Rule::UnknownKey, line)]);
    let report = compile(&source, directory()).unwrap_err();
    assert_eq!(report[0].remedy.as_deref(), Some("write `version = 2`"));
}

#[test]
fn a_limit_needs_restarts_that_it_limits() {
    for restart in ["", "restart = \"never\"\n", "restart = \"on-reboot\"\n"] {
        let keys = format!("{restart}restart_limit = 3\ncores = [1]");
        let source = changed("version = 1", "version = 2").replacen("cores = [1]", &keys, 1);
        let line = line_of(&source, "restart_limit");
        assert_eq!(broken(&source), [(Rule::ConflictingKeys, line)]);
    }
}

#[test]
fn a_limit_of_denied_accesses_is_read() {
    let source = changed("version = 1", "version = 3").replacen(
        "cores = [1]",
        "denied_limit = 1000\ncores = [1]",
        1,
    );
    let plan = compile(&source, directory()).unwrap().plan;
    let limits: Vec<_> = plan.partitions.iter().map(|one| one.denied_limit).collect();
    assert_eq!(limits, [Some(1000), None]);
    let earlier = source.replacen("version = 3", "version = 2", 1);
    let line = line_of(&earlier, "denied_limit");
    assert_eq!(broken(&earlier), [(Rule::UnknownKey, line)]);
}

#[test]
fn a_line_that_the_firmware_names_needs_version_3() {
    let source = changed("iommu =", "management = \"spcr\"\niommu =");
    for version in [1, 2, 3] {
        let source = source.replacen("version = 1", &format!("version = {version}"), 1);
        match (version, compile(&source, directory())) {
            (3, Ok(compiled)) => {
                let machine = compiled.plan.machine;
                assert_eq!(machine.management, Some(SerialPort::Spcr));
            }
            (1 | 2, Err(_)) => {}
            (_, other) => panic!("{version}: {other:?}"),
        }
    }
}

#[test]
fn rights_are_read_in_order() {
    let rights = "may_see = [\"alpha\"]\nmay_control = [\"beta\"]\ncores = [1]";
    let source = changed("version = 1", "version = 3").replacen("cores = [1]", rights, 1);
    let plan = compile(&source, directory()).unwrap().plan;
    let [alpha, beta] = plan.partitions.as_slice() else {
        panic!("two partitions");
    };
    assert_eq!(
        (&*alpha.may_see, &*alpha.may_control),
        (&["alpha".into()][..], &["beta".into()][..])
    );
    assert!(!beta.has_rights());
}

#[test]
fn keys_of_version_3_are_unknown_before() {
    for key in ["may_see", "may_control"] {
        let keys = format!("{key} = [\"beta\"]\ncores = [1]");
        let source = changed("version = 1", "version = 2").replacen("cores = [1]", &keys, 1);
        assert_eq!(broken(&source), [(Rule::UnknownKey, line_of(&source, key))]);
    }
}

#[test]
fn a_name_is_not_called_unknown_where_another_cannot_be_read() {
    let source = changed("version = 1", "version = 3").replacen(
        "cores = [1]",
        "may_see = [\"beta\"]\ncores = [1]",
        1,
    );
    let source = source.replacen("name = \"beta\"", "name = 7", 1);
    assert_eq!(
        broken(&source),
        [(Rule::WrongType, line_of(&source, "name = 7"))]
    );
}

#[test]
fn room_for_images_came_with_version_3() {
    let with = |version: &str, room: &str| {
        let source = changed("version = 1", version);
        source.replacen(
            "[partition.image]",
            &format!("[partition.image]\nroom = {room}"),
            1,
        )
    };
    let plan = compile(&with("version = 3", "\"64M\""), directory())
        .unwrap()
        .plan;
    let rooms: Vec<_> = plan.partitions.iter().map(|one| one.image_room).collect();
    assert_eq!(rooms, [Some(64 << 20), None]);
    for (version, room, rule) in [
        ("version = 2", "\"64M\"", Rule::UnknownKey),
        ("version = 3", "\"much\"", Rule::WrongValue),
        ("version = 3", "true", Rule::WrongType),
        ("version = 3", "\"63M\"", Rule::RoomInvalid),
        ("version = 3", "\"1G\"", Rule::RoomMissing),
    ] {
        let source = with(version, room);
        let line = line_of(&source, "room");
        assert_eq!(broken(&source), [(rule, line)], "{version} {room}");
    }
}
