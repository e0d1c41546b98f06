//! `cargo xtask bench`: counts exits, instructions, bytes and lines, and holds them against
//! what is committed.
//!
//! Emulated time says nothing; counts carry over to hardware with the same controls. They are
//! taken from outside, by the plugin in `tests/harness/instruction-count`, and Bulkhead's own
//! counters must agree with them, exactly, or the bench fails.

mod baseline;
mod chart;
pub mod compare;
mod drawing;
mod lines;
mod measures;
mod run;
mod storage;
mod tables;

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use crate::paths::Paths;
use crate::run::Prepared;
use crate::{bare, progress, setup};
use baseline::Change;
use compare::Comparison;
pub use measures::Extent;
use measures::Results;

/// The committed numbers.
const BASELINE: &str = "tests/bench/baseline.json";

/// What to do with the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Hold them against the committed ones.
    Compare,
    /// Put them in their place.
    Commit,
}

/// Measures, prints, and says whether nothing got worse.
pub fn run(paths: &Paths, linux: &Prepared, extent: Extent, usage: Use) -> Result<bool> {
    let toolchain = setup::run(paths)?;
    bare::build_test_guests(paths, &toolchain)?;
    let runner = run::Runner::new(paths)?;
    let results = Results::collect(paths, &runner, linux, extent)?;
    let folder = paths.target.join("bench");
    fs::create_dir_all(&folder)?;
    let comparison = compare::last(paths)?;
    write_json(&results, comparison.as_ref(), &folder.join("bench.json"))?;
    let svg = folder.join("exits.svg");
    fs::write(&svg, chart::draw(&results)).with_context(|| format!("{}", svg.display()))?;
    let path = paths.root.join(BASELINE);
    if usage == Use::Commit {
        baseline::write(&path, &results.measures)?;
    }
    let fine = print(&results, &baseline::read(&path)?);
    compare::show(comparison.as_ref());
    progress::step("Written", &format!("{}", folder.display()));
    Ok(fine)
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

fn write_json(
    results: &Results,
    comparison: Option<&Comparison>,
    path: &std::path::Path,
) -> Result<()> {
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
    });
    let text = serde_json::to_string_pretty(&value)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
