//! Runs that Bulkhead's own counters tell of, and the guests that read them: on machines where
//! nothing counts from outside.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cases::plans::{self, Guest};
use harness::{Bench, Emulator, Event, Machine, Message, Platform};

use crate::paths::Paths;

/// How long a run may take on QEMU; others have more patience.
const LIMIT: Duration = Duration::from_secs(300);
/// Bulkhead's own core and two for guests: one that halts costs the emulator as much as any.
const PROCESSORS: u32 = 3;
/// How a guest's verdict begins.
const PASSED: &str = "PASS ";
const FAILED: &str = "FAIL ";
/// How a guest tells its exits at its work.
const EXITS: &str = "exits: ";

/// What the partition `alpha` has said, and how often its neighbours began anew meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Its lines.
    pub lines: Vec<String>,
    /// The neighbours' new starts.
    pub restarts: u64,
}

/// Runs bare guests on one platform.
#[derive(Debug, Clone)]
pub struct Watcher {
    bench: Bench,
}

impl Watcher {
    /// Everything must have been built.
    pub fn new(paths: &Paths, platform: Platform) -> Self {
        let folder = paths.logs().join("bench").join(platform.name());
        Self {
            bench: Bench {
                platform,
                kernel: paths.kernel(),
                guests: paths.bare_output(),
                linux: paths.example(),
                tool: paths.tool(),
                folder,
            },
        }
    }

    /// Bulkhead with `guests`, until `alpha` has said how it went.
    pub fn run(&self, name: &str, guests: &[Guest]) -> Result<Said> {
        let bench = Bench {
            folder: self.bench.folder.join(name),
            ..self.bench.clone()
        };
        fs::create_dir_all(&bench.folder)?;
        let machine = Machine {
            processors: PROCESSORS,
            ..bench.machine()
        };
        let mut emulator = bench.start(&machine, &plans::source(&machine, guests))?;
        let said = listen(&mut emulator)?;
        let last = said.lines.last();
        let passed = last.is_some_and(|line| line.starts_with(PASSED));
        ensure!(passed, "{name}: alpha ended with {last:?}");
        Ok(said)
    }
}

fn listen(emulator: &mut Emulator) -> Result<Said> {
    let mut said = Said::default();
    emulator.wait_for("alpha's verdict", LIMIT, |message| {
        match message {
            Message::Console { partition, text } if partition == "alpha" => {
                said.lines.push(text.clone());
                let is_verdict = text.starts_with(PASSED) || text.starts_with(FAILED);
                return is_verdict.then_some(());
            }
            Message::Event(Event::Started { .. }) => {
                said.restarts = said.restarts.saturating_add(1);
            }
            _ => {}
        }
        None
    })?;
    Ok(said)
}

impl Said {
    /// Its exits at its work by reason, but those for CPUID, by which it reads them.
    pub fn exits(&self) -> Result<BTreeMap<String, u64>> {
        let told = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix(EXITS));
        let mut exits = BTreeMap::new();
        for one in told {
            let (reason, count) = one.split_once(' ').context("no count")?;
            exits.insert(reason.to_owned(), count.parse()?);
        }
        // A guest that read nothing would have counted nothing.
        ensure!(exits.remove("cpuid") > Some(0), "no exit was counted");
        Ok(exits)
    }

    /// The numbers of its lines `NAME: VALUE TIMES`.
    pub fn histogram(&self, name: &str) -> Result<BTreeMap<u64, u64>> {
        let parse = |line: &str| -> Result<(u64, u64)> {
            let (value, times) = line.split_once(' ').context("not two numbers")?;
            Ok((value.parse()?, times.parse()?))
        };
        self.told(name).map(parse).collect()
    }

    /// The number of its line `NAME: NUMBER`.
    pub fn number(&self, name: &str) -> Result<u64> {
        let told = self.told(name).next();
        let told = told.with_context(|| format!("no line `{name}: `"))?;
        told.parse()
            .with_context(|| format!("{told} is not a number"))
    }

    fn told(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.lines.iter();
        lines.filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(lines: &[&str]) -> Said {
        Said {
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            restarts: 0,
        }
    }

    #[test]
    fn exits_count_only_if_a_guest_could_read_them() {
        let lines = ["exits: cpuid 40", "exits: icr-write 1000", "PASS smp"];
        let exits = said(&lines).exits().unwrap();
        assert_eq!(exits, BTreeMap::from([("icr-write".to_owned(), 1000)]));
        assert!(said(&lines[1..]).exits().is_err());
    }

    #[test]
    fn a_histogram_is_read_by_its_name() {
        let lines = ["late: 31 999", "late: 47 1", "sum: 3 4"];
        let read = said(&lines).histogram("late").unwrap();
        assert_eq!(read, BTreeMap::from([(31, 999), (47, 1)]));
        assert!(said(&["late: x"]).histogram("late").is_err());
    }

    #[test]
    fn a_number_that_was_not_told_is_an_error() {
        let said = said(&["waited: 3", "late: x"]);
        assert_eq!(said.number("waited").unwrap(), 3);
        assert!(said.number("wait").is_err());
        assert!(said.number("late").is_err());
    }
}
