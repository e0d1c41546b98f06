//! The sides of the comparison: the same kernel, initial RAM disk and work on the bare machine,
//! under Bulkhead, and under KVM with VFIO. Each is one run of the emulated machine for each
//! number of cores.

use anyhow::{Context, Result, ensure};
use harness::{Message, Software};
use serde::{Deserialize, Serialize};
use vdev::ExitReason;

use super::kvm::{self, Tuning};
use super::observed::{Observed, WAKES, WORK};
use crate::bench::run::{Linux, Runner};
use crate::guest::first_level::FirstLevel;
use crate::paths::Paths;
use crate::progress;

/// How long each of the two kinds of work lasts that have no end of their own.
pub const SECONDS: u64 = 5;
/// How many reads, and how often cores wake one another: what `tools/guest-init` does if it is
/// not told otherwise.
pub const TIMES: u64 = 10_000;
/// The guest's memory, as in the example's first partition.
pub const MEMORY: &str = "640M";
/// The processors of the machine in its first level.
const PROCESSORS: u32 = 4;

/// What a kernel on the machine itself is told: a busy host may keep the emulated timer waiting
/// for longer than Linux' check of it does, and a panic ends the run.
pub const ON_MACHINE: &str = "no_timer_check panic=-1";

/// Guests are counted exactly, and the first instruction in the upper half, where Linux' kernel
/// is linked to, is its begin.
macro_rules! exactly {
    ($more:literal) => {
        concat!(",kernel=0xffffffff80000000,exact=on", $more)
    };
}
/// Where the first level's kernel sees physical memory, if it does not choose the place by
/// chance (Linux 6.1, Documentation/x86/x86_64/mm.rst, "direct mapping of all physical memory").
const EXACTLY_BELOW_LINUX: &str = exactly!(",memory=0xffff888000000000");

/// One side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Side {
    /// Its name.
    pub name: String,
    /// A guest with one core.
    pub one: Observed,
    /// A guest with two.
    pub two: Observed,
}

/// What the sides need.
#[derive(Debug)]
pub struct Sides<'a> {
    pub paths: &'a Paths,
    pub runner: &'a Runner,
    pub first_level: FirstLevel,
}

impl Sides<'_> {
    /// Runs all of them.
    pub fn collect(&self) -> Result<Vec<Side>> {
        let by_kvm = |tuning| move |cores| self.kvm(cores, tuning);
        Ok(vec![
            side("bare machine", |cores| self.bare(cores))?,
            side("Bulkhead", |cores| self.bulkhead(cores))?,
            side("KVM", by_kvm(Tuning::Stock))?,
            side("KVM, tuned", by_kvm(Tuning::Tuned))?,
        ])
    }

    fn bare(&self, cores: u32) -> Result<Observed> {
        let linux = Linux {
            processors: cores,
            software: Software {
                kernel: self.paths.example().join("vmlinuz"),
                module: Some(self.paths.example().join("initrd.img")),
            },
            // Neither has a guest an IOMMU to program.
            command_line: format!("{} intel_iommu=off {ON_MACHINE}", command_line(cores)),
            options: exactly!(""),
        };
        let (count, lines) = self.runner.linux(&format!("linux-bare-{cores}"), &linux)?;
        let lines: Vec<_> = lines.iter().map(|line| format!("[bare] {line}")).collect();
        check(&lines, cores)?;
        Observed::new(&count, cores, 0)
    }

    fn bulkhead(&self, cores: u32) -> Result<Observed> {
        let name = format!("linux-bulkhead-{cores}");
        let outcome = self.runner.plan(&name, &plan(cores), exactly!(""))?;
        let partition = outcome.summary.partitions.first().context("no partition")?;
        for name in names(cores) {
            let found = partition.checks.get(&format!("exits_{name}"));
            ensure!(found.is_some(), "the guest did not do `{name}`");
        }
        // The counters' reader asks for one reason after the other.
        let reading = u64::try_from(ExitReason::COUNT)?;
        Observed::new(&outcome.count, cores, reading)
    }

    fn kvm(&self, cores: u32, tuning: Tuning) -> Result<Observed> {
        let name = format!("linux-{}-{cores}", tuning.name());
        let ramdisk = self.paths.logs().join(format!("{name}.img"));
        let arguments = kvm::arguments(cores, tuning, &command_line(cores));
        self.first_level.write(&arguments, &ramdisk)?;
        let linux = Linux {
            processors: PROCESSORS,
            software: Software {
                kernel: self.first_level.kernel().to_owned(),
                module: Some(ramdisk.clone()),
            },
            command_line: kvm::command_line(tuning),
            options: EXACTLY_BELOW_LINUX,
        };
        let (count, lines) = self.runner.linux(&name, &linux)?;
        std::fs::remove_file(ramdisk)?;
        check(&lines, cores)?;
        kvm::check(&count, &lines)?;
        Observed::new(&count, cores, 1)
    }
}

/// One side, with a guest on one core and with one on two.
fn side(name: &str, run: impl Fn(u32) -> Result<Observed>) -> Result<Side> {
    let run = |cores| {
        progress::step("Measuring", &format!("{name}, a guest on {cores} cores"));
        run(cores).with_context(|| format!("{name}, {cores} cores"))
    };
    Ok(Side {
        name: name.to_owned(),
        one: run(1)?,
        two: run(2)?,
    })
}

/// The guest's command line.
fn command_line(cores: u32) -> String {
    format!(
        "console=ttyS0 quiet loglevel=3 bulkhead.mode=measure bulkhead.cores={cores} \
         bulkhead.seconds={SECONDS} bulkhead.reads={TIMES} bulkhead.wakes={TIMES}"
    )
}

/// Bulkhead's plan, with one partition on the cores that KVM's guest is bound to.
fn plan(cores: u32) -> String {
    let command_line = command_line(cores);
    let cores = if cores == 1 { "[1]" } else { "[1, 2]" };
    format!(
        r#"version = 2
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{{ start = "0x1000000", size = "1900M" }}]
[[machine.function]]
address = "02:00.0"
virtual_functions = 4
[[partition]]
name = "alpha"
cores = {cores}
memory = [{{ start = "0x8000000", size = "{MEMORY}" }}]
[[partition.function]]
physical = "02:00.0"
virtual = 1
namespace = 2
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "{command_line}"
"#
    )
}

/// The kinds of work that a guest on so many cores does.
fn names(cores: u32) -> impl Iterator<Item = &'static str> {
    WORK.into_iter()
        .filter(move |name| cores > 1 || *name != WAKES)
}

/// The guest must have done all of its work.
fn check(lines: &[String], cores: u32) -> Result<()> {
    let mut done = Vec::new();
    for line in lines {
        if let Message::Check { check, .. } = Message::parse(line) {
            ensure!(
                check.ok,
                "the guest found that something does not hold: {line}"
            );
            done.push(check.name);
        }
    }
    let names = names(cores).map(|name| format!("exits_{name}"));
    for name in names.chain(["done".to_owned()]) {
        let last = lines.last().map_or("", String::as_str);
        ensure!(
            done.contains(&name),
            "the guest did not do `{name}`; last line: {last}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(names: &[&str]) -> Vec<String> {
        let line = |name: &&str| format!(r#"[guest] check: {{"name":"{name}","ok":true}}"#);
        names.iter().map(line).collect()
    }

    #[test]
    fn a_guest_that_left_something_out_is_found() {
        let all = ["exits_idle", "exits_loop", "exits_reads", "done"];
        assert!(check(&lines(&all), 1).is_ok());
        assert!(check(&lines(&all), 2).is_err());
        assert!(check(&lines(&all[1..]), 1).is_err());
        assert!(check(&lines(&all[..3]), 1).is_err());
    }

    #[test]
    fn a_finding_that_does_not_hold_is_an_error() {
        let mut lines = lines(&["exits_idle", "exits_loop", "exits_reads", "done"]);
        lines.push(r#"[guest] check: {"name":"namespace","ok":false}"#.to_owned());
        assert!(check(&lines, 1).is_err());
    }
}
