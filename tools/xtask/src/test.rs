//! `cargo xtask test`: host tests, property tests and the emulator cases, with one tally.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result};
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

/// Runs the tests whose names contain `filter` and returns whether all passed.
pub fn run(
    paths: &Paths,
    filter: Option<&str>,
    only_cases: bool,
    machines: &[Choice],
) -> Result<bool> {
    let toolchain = setup::run(paths)?;
    let mut tally = Tally::default();
    if !only_cases {
        add(&mut tally, test_host(paths, filter)?);
    }
    match test_emulated(paths, &toolchain, filter, machines) {
        Ok(part) => add(&mut tally, part),
        Err(error) => {
            println!("the emulator cases could not be run: {error:#}");
            add(
                &mut tally,
                Tally {
                    passed: 0,
                    failed: 1,
                },
            );
        }
    }
    println!("\n{}", tally.line());
    Ok(tally.failed == 0 && tally.passed > 0)
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
}
