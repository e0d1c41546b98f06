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

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use plan::Rule;
use plan::bundle::Bundle;
use serde_json::Value;
use tempfile::TempDir;

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

/// The good plan of this name.
fn good(name: &str) -> PathBuf {
    let mut files = plans("good").into_iter();
    files.find(|file| rule_of(file) == name).unwrap()
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
        // What is no text has no excerpt.
        let has_excerpt = rule_of(&file) != "plan-unreadable";
        assert_eq!(text.contains("^ refused here"), has_excerpt, "{text}");
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
    let example = good("example");
    let compiled = bulkhead(&["compile", "-o", output.to_str().unwrap()], &example);
    assert_eq!(compiled.status.code(), Some(0), "{compiled:?}");
    let bytes = std::fs::read(&output).unwrap();
    let again = bulkhead(
        &["compile", "--json", "-o", output.to_str().unwrap()],
        &example,
    );
    let answer = json(&again);
    assert_eq!(answer["output"], output.to_str().unwrap());
    assert_eq!(answer["bytes"], bytes.len());
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
    let folder = bulkhead(&["compile", "-o", "/tmp"], example);
    assert_eq!(folder.status.code(), Some(2));
    let text = String::from_utf8(folder.stderr).unwrap();
    assert!(
        text.contains("/tmp is a folder\n  = remedy: name a file"),
        "{text}"
    );
    let unwritable = bulkhead(&["compile", "-o", "/no/such/directory/x"], example);
    assert_eq!(unwritable.status.code(), Some(2));
}

#[test]
fn images_are_found_in_another_directory() {
    let directory = tempfile::tempdir().unwrap();
    let moved = directory.path().join("plan.toml");
    let example = good("example");
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
fn nothing_of_a_file_steers_the_terminal() {
    let copy = Copy::new();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(copy.folder.path().join(name), bytes).unwrap();
    };
    assert!(
        copy.run(&["compile", "plan.toml", "-o", "bundle"])
            .status
            .success()
    );
    write("binary", b"\x1b]0;title\x07 \xff\xfe\x00");
    write("escapes", b"version = 1 \x1b[2J\x07\xc2\x9b2J\n");
    write("key", b"version = 1\n\"\\u001b[2J\" = 1\n");
    for (name, what) in [
        (
            "bundle",
            "bundle is a bundle\n      = remedy: name the plan's TOML",
        ),
        ("binary", "the plan is no UTF-8 text\n      = remedy"),
        ("escapes", "1 | version = 1 .[2J.\u{b7}2J\n"),
        ("key", "unknown key `\\u{1b}[2J`"),
    ] {
        let output = copy.run(&["check", name]);
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(what), "{text}");
        let steers = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.contains(steers), "{text:?}");
    }
}

#[test]
fn plan_that_is_not_there_is_refused_without_a_line() {
    let output = bulkhead(&["check", "--json"], Path::new("no-such-plan.toml"));
    assert_eq!(output.status.code(), Some(1));
    let violation = &json(&output)["violations"][0];
    assert_eq!(violation["rule"], "plan-unreadable");
    assert!(violation["line"].is_null());
}

/// A copy of a good plan with its images, in a folder of its own.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = std::fs::read_to_string(good("example")).unwrap();
        std::fs::write(
            folder.path().join("plan.toml"),
            source.replace("../images/", ""),
        )
        .unwrap();
        let images = good("example").parent().unwrap().join("../images");
        for image in ["vmlinuz", "initrd.img"] {
            std::fs::copy(images.join(image), folder.path().join(image)).unwrap();
        }
        Self { folder }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        command.current_dir(&self.folder).arg("plan");
        command.args(arguments).output().unwrap()
    }

    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect()
    }
}

#[test]
fn what_a_command_has_read_is_never_overwritten() {
    let copy = Copy::new();
    std::os::unix::fs::symlink("vmlinuz", copy.folder.path().join("link")).unwrap();
    let before = copy.files();
    for (arguments, what, remedy) in [
        (
            &["compile", "plan.toml", "-o", "plan.toml"][..],
            "plan.toml is this plan",
            "--output",
        ),
        (
            &["compile", "plan.toml", "-o", "initrd.img"],
            "initrd.img is an image of this plan; nothing was written",
            "name another file after --output",
        ),
        (
            &["compile", "plan.toml", "-o", "link"],
            "link is an image",
            "--output",
        ),
        (
            &["show", "plan.toml", "--svg", "./plan.toml"],
            "./plan.toml is this plan",
            "name another file after --svg",
        ),
    ] {
        let output = copy.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains(what) && text.contains(remedy), "{text}");
        assert!(copy.files() == before, "{arguments:?}");
    }
}

#[test]
fn what_is_written_is_whole_or_as_it_was() {
    let copy = Copy::new();
    let bundle = copy.folder.path().join("bundle");
    std::fs::write(&bundle, "the old one").unwrap();
    assert!(
        copy.run(&["compile", "plan.toml", "-o", "bundle"])
            .status
            .success()
    );
    let whole = std::fs::read(&bundle).unwrap();
    assert!(Bundle::parse(&whole).is_ok());
    assert_eq!(copy.files().len(), 4);
    // A limit on a file's size is as good as a full disk.
    std::fs::write(&bundle, "the old one").unwrap();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" plan compile plan.toml -o bundle";
    let output = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_bulkhead")])
        .current_dir(&copy.folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(std::fs::read(&bundle).unwrap(), b"the old one");
    assert_eq!(copy.files().len(), 4);
    // A device is written to, and not replaced.
    assert!(
        copy.run(&["compile", "plan.toml", "-o", "/dev/null"])
            .status
            .success()
    );
    assert!(!Path::new("/dev/null").is_file());
}
