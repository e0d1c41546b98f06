//! `cargo xtask soak`: restarts guests over and over, and prints what was counted.

use std::fs;
use std::io::{self, IsTerminal};

use anyhow::{Result, ensure};
use cases::soak::{self, Kind, Order, Outcome};
use harness::Bench;
use indicatif::{ProgressBar, ProgressStyle};

use crate::machine::Choice;
use crate::paths::Paths;
use crate::progress;
use crate::setup;
use crate::test;

/// How what was counted is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs, one line for each guest.
    Json,
}

impl Format {
    /// What the flag `--json` asks for.
    pub const fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Table }
    }
}

/// How often progress is told where there is no terminal.
const REPORTS: u32 = 20;

/// Restarts the bare guest and the stock Linux so often, and returns whether all was right.
pub fn run(paths: &Paths, machine: Choice, restarts: [u32; 2], format: Format) -> Result<bool> {
    ensure!(
        restarts.iter().any(|count| *count > 0),
        "nothing to do: --tiny and --linux are both 0"
    );
    let toolchain = setup::run(paths)?;
    let platform = machine.provide(paths)?;
    let bench = Bench {
        platform,
        ..test::bench(paths, &toolchain)?
    };
    let mut ok = true;
    for (kind, restarts) in [Kind::Tiny, Kind::Linux].into_iter().zip(restarts) {
        if restarts > 0 {
            let outcome = soak(&bench, Order { kind, restarts })?;
            match format {
                Format::Table => println!("{outcome}\n"),
                Format::Json => println!("{}", outcome.json()),
            }
            ok &= outcome.is_ok();
        }
    }
    Ok(ok)
}

fn soak(bench: &Bench, order: Order) -> Result<Outcome> {
    let Order { kind, restarts } = order;
    let machine = bench.platform.name();
    progress::step(
        "Soaking",
        &format!(
            "{restarts} restarts of the {} guest on {machine}",
            kind.name()
        ),
    );
    let bench = Bench {
        folder: bench.folder.join("soak").join(machine).join(kind.name()),
        ..bench.clone()
    };
    if bench.folder.exists() {
        fs::remove_dir_all(&bench.folder)?;
    }
    fs::create_dir_all(&bench.folder)?;
    let bar = bar(restarts)?;
    let step = restarts.div_ceil(REPORTS);
    let is_watched = io::stderr().is_terminal();
    let outcome = soak::run(&bench, order, &mut |done| {
        bar.set_position(done.into());
        if !is_watched && done.is_multiple_of(step) {
            progress::step("Restarted", &format!("{done} of {restarts} times"));
        }
    });
    bar.finish_and_clear();
    outcome
}

/// Drawn on a terminal only.
fn bar(restarts: u32) -> Result<ProgressBar> {
    let template = "{bar:40} {pos} of {len} restarts, {elapsed}, {eta} to go";
    let bar = ProgressBar::new(restarts.into());
    bar.set_style(ProgressStyle::with_template(template)?);
    Ok(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_restarts_at_all_are_nothing_to_do() {
        let paths = Paths::find().unwrap();
        let error = run(&paths, Choice::Qemu, [0, 0], Format::Table).unwrap_err();
        assert!(error.to_string().contains("nothing to do"));
    }
}
