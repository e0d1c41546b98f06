//! The tool against the plans of `tests/plans`.
//!
//! A file in `good/` must be accepted. A file in `bad/` has the name of a rule and one line
//! that ends in `# refused: <rule>`; it must be refused for that rule alone, at that line.
//! Every rule must have such a file.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "whatever is missing fails the test"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plan::Rule;
use plan::bundle::Bundle;
use serde_json::Value;

const MARKER: &str = "# refused: ";

fn plans(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/plans")
        .join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn bulkhead(arguments: &[&str], file: &Path) -> Output {
    let program = env!("CARGO_BIN_EXE_bulkhead");
    Command::new(program)
        .args(["plan"])
        .args(arguments)
        .arg(file)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rule_of(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// What is wrong with the tool's answer to a bad plan: it must be `rule` and nothing else,
/// at the one line of `source` that is marked so.
fn complaint(rule: &str, source: &str, answer: &Value) -> Option<String> {
    let marked: Vec<_> = source
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index, line.split_once(MARKER)?.1)))
        .collect();
    let &[(index, named)] = marked.as_slice() else {
        return Some(format!("{} lines are marked, expected one", marked.len()));
    };
    if named != rule {
        return Some(format!("the marked rule is {named}, the file's is {rule}"));
    }
    let violations = answer["violations"].as_array().cloned().unwrap_or_default();
    let found: Vec<_> = violations
        .iter()
        .map(|one| (one["rule"].as_str(), one["line"].as_u64()))
        .collect();
    let line = u64::try_from(index).unwrap() + 1;
    (found != [(Some(rule), Some(line))])
        .then(|| format!("{rule} in line {line} expected, found {found:?}"))
}

#[test]
fn good_plans_are_accepted() {
    for file in plans("good") {
        let output = bulkhead(&["check", "--json"], &file);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}: {output:?}",
            file.display()
        );
        assert_eq!(json(&output)["accepted"], true);
    }
}

#[test]
fn bad_plans_are_refused_by_their_rule_at_their_line() {
    for file in plans("bad") {
        let output = bulkhead(&["check", "--json"], &file);
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}: {output:?}",
            file.display()
        );
        let source = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let complaint = complaint(&rule_of(&file), &source, &json(&output));
        assert_eq!(complaint, None, "{}", file.display());
    }
}

#[test]
fn wrong_line_or_rule_is_noticed() {
    let source = "version = 1\nname = \"alpha\" # refused: no-cores\n";
    let answer = |rule: &str, line: u64| serde_json::json!({ "violations": [{ "rule": rule, "line": line }] });
    assert_eq!(complaint("no-cores", source, &answer("no-cores", 2)), None);
    for (file_rule, source, answer) in [
        ("no-cores", source, answer("no-cores", 1)),
        ("no-cores", source, answer("no-memory", 2)),
        ("no-memory", source, answer("no-memory", 2)),
        ("no-cores", source, serde_json::json!({ "violations": [] })),
        ("no-cores", "version = 1\n", answer("no-cores", 2)),
        ("no-cores", &source.repeat(2), answer("no-cores", 2)),
    ] {
        assert!(
            complaint(file_rule, source, &answer).is_some(),
            "{file_rule} {source} {answer}"
        );
    }
}

#[test]
fn every_rule_has_a_bad_plan() {
    let rules: BTreeSet<_> = Rule::ALL
        .iter()
        .map(|rule| rule.name().to_owned())
        .collect();
    let files: BTreeSet<_> = plans("bad").iter().map(|file| rule_of(file)).collect();
    assert_eq!(rules, files);
}

#[test]
fn text_names_file_line_column_rule_and_remedy() {
    for file in plans("bad") {
        let answer = json(&bulkhead(&["check", "--json"], &file));
        let violation = &answer["violations"][0];
        let (line, column) = (&violation["line"], &violation["column"]);
        let output = bulkhead(&["check"], &file);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        let head = format!(
            "{}:{line}:{column}: error[{}]: ",
            file.display(),
            rule_of(&file)
        );
        assert!(text.starts_with(&head), "{text}");
        assert!(text.contains("^ refused here"), "{text}");
        assert!(
            text.contains(violation["remedy"].as_str().unwrap()),
            "{text}"
        );
    }
}

#[test]
fn compiled_plan_is_a_bundle_with_each_image_once() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("boot-module");
    let example = plans("good")
        .into_iter()
        .find(|file| rule_of(file) == "example")
        .unwrap();
    let compiled = bulkhead(&["compile", "-o", output.to_str().unwrap()], &example);
    assert_eq!(compiled.status.code(), Some(0), "{compiled:?}");
    let bytes = std::fs::read(&output).unwrap();
    let bundle = Bundle::parse(&bytes).unwrap();
    let plan = plan::decode(bundle.entry(plan::ImageIndex(0)).unwrap()).unwrap();
    assert_eq!(plan, plan::source::load(&example).unwrap().plan);
    assert_eq!(bundle.len(), 3);
    assert_eq!(plan::check_images(&plan, &bundle, plan::crc32c), []);
}

#[test]
fn refused_plan_is_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("boot-module");
    let bad = plans("bad").remove(0);
    let compiled = bulkhead(&["compile", "-o", output.to_str().unwrap()], &bad);
    assert_eq!(compiled.status.code(), Some(1));
    assert!(!output.exists());
}

#[test]
fn wrong_usage_and_unwritable_output_are_exit_status_two() {
    let example = &plans("good")[0];
    assert_eq!(bulkhead(&["compile"], example).status.code(), Some(2));
    assert_eq!(
        bulkhead(&["check", "--colour"], example).status.code(),
        Some(2)
    );
    let unwritable = bulkhead(&["compile", "-o", "/no/such/directory/x"], example);
    assert_eq!(unwritable.status.code(), Some(2));
}

#[test]
fn images_are_found_in_another_directory() {
    let directory = tempfile::tempdir().unwrap();
    let moved = directory.path().join("plan.toml");
    let example = plans("good")
        .into_iter()
        .find(|file| rule_of(file) == "example")
        .unwrap();
    std::fs::copy(&example, &moved).unwrap();
    assert_eq!(bulkhead(&["check"], &moved).status.code(), Some(1));
    let images = example.parent().unwrap().to_str().unwrap();
    assert_eq!(
        bulkhead(&["check", "--images", images], &moved)
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn plan_that_is_not_there_is_refused_without_a_line() {
    let output = bulkhead(&["check", "--json"], Path::new("no-such-plan.toml"));
    assert_eq!(output.status.code(), Some(1));
    let violation = &json(&output)["violations"][0];
    assert_eq!(violation["rule"], "plan-unreadable");
    assert!(violation["line"].is_null());
}
