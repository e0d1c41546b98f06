//! `cargo xtask test`: host tests, property tests and the emulator cases, with one tally.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Error, Result, anyhow, ensure};
use harness::runner::Tally;
use harness::{Bench, Platform, Runner};

use crate::bare;
use crate::command;
use crate::guest;
use crate::machine::Choice;
use crate::paths::Paths;
use crate::progress;
use crate::setup;
use crate::toolchain::Toolchain;

/// How many cases run at once: each has four processors to emulate.
const JOBS: usize = 2;

/// Which tests are run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Those whose name contains this; all without it.
    pub filter: Option<&'a str>,
    /// No host tests.
    pub only_cases: bool,
}

impl Wanted<'_> {
    /// The emulator cases among them.
    fn cases(self) -> impl Iterator<Item = &'static str> {
        let names = cases::ALL.iter().map(|case| case.name);
        names.filter(move |name| self.filter.is_none_or(|filter| name.contains(filter)))
    }

    /// That there are none.
    fn none(self) -> Error {
        let what = if self.only_cases {
            "case"
        } else {
            "test or case"
        };
        let name = self.filter.unwrap_or_default();
        anyhow!("no {what} has `{name}` in its name; `cargo xtask test --list` names the cases")
    }
}

/// Names the emulator cases whose names contain `filter`.
pub fn list(filter: Option<&str>) -> Result<()> {
    let wanted = Wanted {
        filter,
        only_cases: true,
    };
    let names: Vec<_> = wanted.cases().collect();
    ensure!(!names.is_empty(), wanted.none());
    for name in names {
        println!("{name}");
    }
    Ok(())
}

/// Runs the tests that are wanted and returns whether all passed.
pub fn run(paths: &Paths, wanted: Wanted<'_>, machines: &[Choice]) -> Result<bool> {
    // The host tests' names are known only once they are built; the cases' are at once.
    let has_cases = wanted.cases().next().is_some();
    ensure!(has_cases || !wanted.only_cases, wanted.none());
    let toolchain = setup::run(paths)?;
    let mut tally = Tally::default();
    if !wanted.only_cases {
        add(&mut tally, test_host(paths, wanted.filter)?);
    }
    if has_cases {
        let part = test_emulated(paths, &toolchain, wanted.filter, machines);
        add(&mut tally, part.unwrap_or_else(not_run));
    }
    ensure!(tally.passed > 0 || tally.failed > 0, wanted.none());
    println!("\n{}", tally.line());
    Ok(tally.failed == 0 && tally.passed > 0)
}

/// Cases that could not be run count as one that failed.
fn not_run(error: Error) -> Tally {
    println!("the emulator cases could not be run: {error:#}");
    Tally {
        passed: 0,
        failed: 1,
    }
}

/// Builds what the emulator cases need, and runs them.
fn test_emulated(
    paths: &Paths,
    toolchain: &Toolchain,
    filter: Option<&str>,
    machines: &[Choice],
) -> Result<Tally> {
    let bench = bench(paths, toolchain)?;
    let machines = machines.iter().map(|machine| machine.provide(paths));
    let platforms = machines.collect::<Result<Vec<_>>>()?;
    let runner = Runner {
        bench,
        platforms,
        filter: filter.map(str::to_owned),
        jobs: JOBS,
    };
    Ok(runner.run(cases::ALL))
}

/// Builds what the emulator cases have at hand.
pub fn bench(paths: &Paths, toolchain: &Toolchain) -> Result<Bench> {
    bare::build_kernel(paths, toolchain)?;
    bare::build_test_guests(paths, toolchain)?;
    guest::build(paths)?;
    guest::build_manager(paths)?;
    build_tool(paths)?;
    Ok(Bench {
        platform: Platform::Tcg,
        kernel: paths.kernel(),
        guests: paths.bare_output(),
        linux: paths.example(),
        tool: paths.tool(),
        folder: paths.logs(),
    })
}

/// Builds the user's tool.
pub fn build_tool(paths: &Paths) -> Result<()> {
    let mut cargo = command::new("cargo", &paths.root);
    command::run(cargo.args(["build", "--quiet", "--package", "bulkhead"]))
}

fn add(total: &mut Tally, part: Tally) {
    total.passed = total.passed.saturating_add(part.passed);
    total.failed = total.failed.saturating_add(part.failed);
}

/// Runs `cargo test` for everything that runs on the host, shows what it prints, and counts.
fn test_host(paths: &Paths, filter: Option<&str>) -> Result<Tally> {
    progress::step("Testing", "everything that runs on the host");
    let mut cargo = command::new("cargo", &paths.root);
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    for package in bare::PACKAGES {
        cargo.args(["--exclude", package]);
    }
    cargo.args(["--", "--include-ignored"]).args(filter);
    let mut child = cargo
        .stdout(Stdio::piped())
        .spawn()
        .context("starting cargo test")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line.context("reading what cargo test prints")?;
        println!("{line}");
        if let Some(part) = parse_result(&line) {
            add(&mut tally, part);
        }
    }
    if !child.wait()?.success() && tally.failed == 0 {
        // It did not get as far as a test: that is a failure too, and must count.
        tally.failed = 1;
    }
    Ok(tally)
}

/// Reads `test result: ok. 3 passed; 0 failed; …`.
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |word: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(word))
            .and_then(|number| number.trim().parse().ok())
    };
    Some(Tally {
        passed: count(" passed")?,
        failed: count(" failed")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_counted() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered \
                    out; finished in 0.00s";
        let expected = Tally {
            passed: 3,
            failed: 2,
        };
        assert_eq!(parse_result(line), Some(expected));
        assert_eq!(parse_result("test a::b ... ok"), None);
    }

    #[test]
    fn a_name_that_no_case_has_is_refused_before_anything_is_built() {
        let wanted = |filter| Wanted {
            filter: Some(filter),
            only_cases: true,
        };
        assert_eq!(
            wanted("denied_msr").cases().collect::<Vec<_>>(),
            ["denied_msr"]
        );
        let paths = Paths::find().unwrap();
        let error = run(&paths, wanted("no such case"), &[]).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("no case has `no such case` in its name"),
            "{text}"
        );
        assert!(list(Some("no such case")).is_err());
    }

    #[test]
    fn all_cases_are_wanted_without_a_filter() {
        assert_eq!(Wanted::default().cases().count(), cases::ALL.len());
    }
}
