//! `cargo xtask bench --compare kvm`: the same Linux at the same work on the bare machine, under
//! Bulkhead, and under KVM with VFIO, all in the same emulated machine and counted by the same
//! plugin.
//!
//! It takes some minutes and needs more than the gate, so it is a command of its own. What it
//! found is kept in `target/bench`, and `cargo xtask bench` shows it with its date.

mod chart;
mod kvm;
mod observed;
mod sides;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use harness::preflight;
use serde::{Deserialize, Serialize};

use super::run::Runner;
use crate::guest::{self, first_level::FirstLevel};
use crate::paths::Paths;
use crate::{command, progress};
use sides::{Side, Sides};

/// With whom Bulkhead is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rival {
    /// Linux with KVM and VFIO, in the same emulated machine
    Kvm,
}

/// A comparison, with what it was made by.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Comparison {
    /// The day.
    pub date: String,
    /// The emulator.
    pub emulator: String,
    /// The package of the kernel of guests and host.
    pub kernel: String,
    /// The sides.
    pub sides: Vec<Side>,
}

/// Runs all sides, keeps what was found, and prints it. Bulkhead must have been built.
pub fn run(paths: &Paths) -> Result<()> {
    let first_level = FirstLevel::find(paths, guest::build(paths)?)?;
    let kernel = first_level.package_name();
    let sides = Sides {
        paths,
        runner: &Runner::new(paths)?,
        first_level,
    };
    let version = preflight::installed_version().context("QEMU is gone")?;
    let comparison = Comparison {
        date: command::output(Command::new("date").args(["-u", "+%F"]))?
            .trim()
            .to_owned(),
        emulator: format!("QEMU {version}"),
        kernel,
        sides: sides.collect()?,
    };
    let path = path(paths);
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    let text = serde_json::to_string_pretty(&comparison)?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    let svg = path.with_extension("svg");
    fs::write(&svg, chart::draw(&comparison)).with_context(|| format!("{}", svg.display()))?;
    table::print(&comparison);
    progress::step("Written", &format!("{}, {}", path.display(), svg.display()));
    Ok(())
}

/// The last comparison, if there has been one.
pub fn last(paths: &Paths) -> Result<Option<Comparison>> {
    let path = path(paths);
    if !path.exists() {
        return Ok(None);
    }
    read(&path).map(Some)
}

/// Prints the last comparison, or how to make one.
pub fn show(comparison: Option<&Comparison>) {
    match comparison {
        Some(comparison) => table::print(comparison),
        None => println!("beside KVM and the bare machine: cargo xtask bench --compare kvm"),
    }
}

fn path(paths: &Paths) -> PathBuf {
    paths.target.join("bench").join("kvm.json")
}

fn read(path: &Path) -> Result<Comparison> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no comparison", path.display()))
}
