//! `cargo xtask bench`: counts exits, instructions, bytes and lines, and holds them against
//! what is committed.
//!
//! Emulated time says nothing; counts carry over to hardware with the same controls. They are
//! taken from outside, by the plugin in `tests/harness/instruction-count`, and Bulkhead's own
//! counters must agree with them, exactly, or the bench fails.

mod baseline;
mod bochs;
mod chart;
pub mod compare;
mod counters;
mod drawing;
mod latency;
mod lines;
mod measures;
mod repeat;
mod run;
mod storage;
mod storm;
mod tables;
mod trace;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::machine::Choice;
use crate::paths::Paths;
use crate::run::Prepared;
use crate::{bare, progress, setup};
use baseline::Change;
use compare::{Comparison, Rival};
use measures::{Extent, Results};

/// The committed numbers.
const BASELINE: &str = "tests/bench/baseline.json";

/// What is to be done.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Arguments {
    /// Leave out what takes long; fail if a number is worse
    #[arg(long)]
    gate: bool,
    /// Put the numbers in place of the committed ones
    #[arg(long)]
    commit: bool,
    /// On this machine alone, instead of on QEMU and Bochs
    #[arg(long, value_name = "NAME")]
    machine: Option<Choice>,
    /// So many times, and say what differs
    #[arg(long, value_name = "TIMES", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// Instead, the same work on the bare machine and under this hypervisor, too
    #[arg(long, value_name = "RIVAL",
        conflicts_with_all = ["gate", "commit", "machine", "repeat"])]
    pub compare: Option<Rival>,
}

impl Arguments {
    /// What continuous integration wants.
    pub const GATE: Self = Self {
        gate: true,
        commit: false,
        machine: None,
        repeat: 1,
        compare: None,
    };

    const fn extent(self) -> Extent {
        if self.gate {
            Extent::Gate
        } else {
            Extent::Full
        }
    }

    fn wants(self, machine: Choice) -> bool {
        self.machine.is_none_or(|one| one == machine)
    }
}

/// Measures, prints, and says whether nothing got worse, and nothing differs between the runs
/// that may not.
pub fn run(paths: &Paths, linux: &Prepared, arguments: Arguments) -> Result<bool> {
    let toolchain = setup::run(paths)?;
    bare::build_test_guests(paths, &toolchain)?;
    let runs = (0..arguments.repeat).map(|_| measure(paths, linux, arguments));
    let runs = runs.collect::<Result<Vec<_>>>()?;
    let results = runs.last().context("nothing is to be run")?;
    let folder = paths.target.join("bench");
    let comparison = compare::last(paths)?;
    write(results, comparison.as_ref(), &folder)?;
    let path = paths.root.join(BASELINE);
    if arguments.commit {
        baseline::write(&path, &results.measures)?;
    }
    let fine = print(results, &baseline::read(&path)?);
    let equal = runs.len() == 1 || repeat::report(&runs);
    compare::show(comparison.as_ref());
    progress::step("Written", &format!("{}", folder.display()));
    Ok(fine && equal)
}

fn measure(paths: &Paths, linux: &Prepared, arguments: Arguments) -> Result<Results> {
    ensure!(
        arguments.machine != Some(Choice::Kvm),
        "nothing is counted on kvm"
    );
    let mut results = Results::default();
    if arguments.wants(Choice::Qemu) {
        results.qemu(&run::Runner::new(paths)?, linux, arguments.extent())?;
    }
    if arguments.wants(Choice::Bochs) {
        let platform = Choice::Bochs.provide(paths)?;
        results.bochs(&counters::Watcher::new(paths, platform))?;
    }
    results.lines(paths)?;
    Ok(results)
}

/// Writes the numbers and the charts into `folder`.
fn write(results: &Results, comparison: Option<&Comparison>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    write_json(results, comparison, &folder.join("bench.json"))?;
    let exits = (!results.exits.is_empty()).then(|| chart::draw(results));
    let latency = results.latency.as_ref().map(latency::Latency::draw);
    let charts = [("exits.svg", exits), ("latency.svg", latency)];
    for (name, chart) in charts {
        let Some(chart) = chart else { continue };
        let path = folder.join(name);
        fs::write(&path, chart).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Prints the table; whether nothing is worse than before.
fn print(results: &Results, baseline: &baseline::Baseline) -> bool {
    println!("{:>12} {:>12}  measure", "found", "goal");
    let mut fine = true;
    for measure in &results.measures {
        let note = match baseline::compare(baseline, measure) {
            Change::Same => String::new(),
            Change::New => " (new: commit it with --commit)".to_owned(),
            Change::Better(before) => format!(" (was {before}: commit it with --commit)"),
            Change::Worse(before) => {
                fine = false;
                format!(" (WORSE: was {before})")
            }
        };
        let missed = if measure.value > measure.goal {
            "*"
        } else {
            ""
        };
        println!(
            "{:>12} {:>12}  {}{note}",
            format!("{}{missed}", measure.value),
            measure.goal,
            measure.what
        );
    }
    println!("* the goal is missed");
    fine
}

fn write_json(results: &Results, comparison: Option<&Comparison>, path: &Path) -> Result<()> {
    let measures: Vec<_> = results
        .measures
        .iter()
        .map(|one| {
            json!({"name": one.name, "what": one.what, "value": one.value, "goal": one.goal,
                "spread_percent": one.spread_percent})
        })
        .collect();
    let value = json!({
        "measures": measures,
        "exits_by_reason": results.exits,
        "instructions_by_reason": results.lengths,
        "comparison": comparison,
        "latency": results.latency.as_ref().map(latency::Latency::json),
    });
    let text = serde_json::to_string_pretty(&value)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
