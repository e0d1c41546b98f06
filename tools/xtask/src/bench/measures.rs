//! What is measured, how, and what is aimed at.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use cases::plans::Guest;
use harness::count::{Count, Exits};

use super::latency::Latency;
use super::lines;
use super::run::{self, Outcome, Runner, Time};
use crate::paths::Paths;
use crate::progress;
use crate::run::Prepared;

/// One number; less is better for all of them.
#[derive(Debug, Clone)]
pub struct Measure {
    /// Its name in the baseline.
    pub name: &'static str,
    /// What it is, for people.
    pub what: &'static str,
    /// How much.
    pub value: u64,
    /// What is aimed at.
    pub goal: u64,
    /// How much more than the baseline two runs of the same thing may differ by, in percent: 0
    /// where they are equal.
    pub spread_percent: u64,
}

#[cfg(test)]
impl Measure {
    /// One by the name of `exits`, for tests of what is done with it.
    pub const fn of_a_test(value: u64, spread_percent: u64) -> Self {
        Self {
            name: "exits",
            what: "",
            value,
            goal: 0,
            spread_percent,
        }
    }
}

/// Everything measured.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The numbers.
    pub measures: Vec<Measure>,
    /// Exits by reason of each scenario that the chart shows.
    pub exits: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Exits by their length in instructions, by reason.
    pub lengths: BTreeMap<&'static str, BTreeMap<u64, u64>>,
    /// How late interrupts are, where that was measured.
    pub latency: Option<Latency>,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// What continuous integration has time for.
    Gate,
    /// All of it.
    Full,
}

/// Where a guest's work begins, by the number of its marks so far; one more ends it.
const WORK: u32 = 2;

/// Two runs are equal.
const SAME: u64 = 0;
/// Two runs are equal but for waits on the emulated devices; and every change of the code moves
/// these numbers a little.
const SIZE_PERCENT: u64 = 2;
/// The start of the further partitions' cores is in it, and how often the housekeeping core looks
/// whether they have come: 3 % between runs.
const BRING_UP_PERCENT: u64 = 10;
/// What Linux does depends on time.
const LINUX_PERCENT: u64 = 10;

impl Results {
    /// All that is measured in QEMU.
    pub fn qemu(&mut self, runner: &Runner, linux: &Prepared, extent: Extent) -> Result<()> {
        self.interrupts(runner)?;
        self.storage(runner, extent)?;
        self.inter_processor_interrupts(runner)?;
        self.storm(runner)?;
        self.computing(runner)?;
        self.boot(runner)?;
        self.linux(runner, linux)
    }

    /// Adds a number of which two runs are equal.
    pub fn add(&mut self, name: &'static str, what: &'static str, value: u64, goal: u64) {
        self.measures.push(Measure {
            name,
            what,
            value,
            goal,
            spread_percent: SAME,
        });
    }

    /// How much more than the baseline the last measure may be.
    pub fn within(&mut self, percent: u64) {
        if let Some(measure) = self.measures.last_mut() {
            measure.spread_percent = percent;
        }
    }

    /// A busy guest's timer ticks, and an idle guest.
    fn interrupts(&mut self, runner: &Runner) -> Result<()> {
        progress::step("Measuring", "exits of a busy and of an idle guest");
        let guest = Guest::alpha("timer")
            .with_argument("interrupts=1000000")
            .with_argument("period=2000")
            .with_argument("busy=1");
        let outcome = runner.guests("ticks", &[guest], Time::Counted)?;
        let what = "exits of a busy guest in 1,000,000 timer ticks";
        self.add("exits_ticks", what, exits_of_work(&outcome)?, 0);
        let guest = Guest::alpha("timer")
            .with_argument("interrupts=600")
            .with_argument("period=1000000000");
        let outcome = runner.guests("idle", &[guest], Time::Counted)?;
        let what = "exits of an idle guest in 10 minutes of its time";
        self.add("exits_idle", what, exits_of_work(&outcome)?, 0);
        Ok(())
    }

    fn inter_processor_interrupts(&mut self, runner: &Runner) -> Result<()> {
        progress::step("Measuring", "inter-processor interrupts");
        let guest = Guest::alpha("smp").with_cores(&[1, 2]);
        let outcome = runner.guests("interrupts", &[guest], Time::Hosts)?;
        let exits = exits_of_work(&outcome)?;
        self.add(
            "exits_ipi",
            "exits for 1,000 inter-processor interrupts",
            exits,
            1000,
        );
        let lengths = merge(work(&outcome).filter(|exits| run::reason(exits) == "icr-write"));
        let largest = largest(&lengths)?;
        let what = "Bulkhead's instructions for one of them, at most";
        self.add("instructions_ipi", what, largest, 60);
        Ok(())
    }

    /// The same computation in a partition and on the bare machine.
    fn computing(&mut self, runner: &Runner) -> Result<()> {
        progress::step(
            "Measuring",
            "a computation, in a partition and on the machine",
        );
        let guests = [Guest::alpha("work")];
        let inside = runner.guests("work", &guests, Time::Counted)?;
        let inside = instructions_of_work(&inside.count)?;
        let bare = instructions_of_work(&runner.bare("work", "")?)?;
        let what = "a guest's instructions for a computation, in millionths of the machine's";
        let value = millionths(inside, bare)?;
        self.add("guest_instructions", what, value, 1_000_100);
        Ok(())
    }

    /// Bare guests in one partition and in three.
    fn boot(&mut self, runner: &Runner) -> Result<()> {
        progress::step("Measuring", "what a further partition adds to the boot");
        let guest = |name, core, start| Guest::named(name, "hello", core, start);
        let one = guest("alpha", &[1], 0x0800_0000);
        let two = guest("beta", &[2], 0x1000_0000);
        let three = guest("gamma", &[3], 0x1800_0000);
        let alone = runner.boot_of_guests("boot-1", std::slice::from_ref(&one))?;
        let all = runner.boot_of_guests("boot-3", &[one, two, three])?;
        let added = all.saturating_sub(alone) / 2;
        let what = "instructions that a further partition adds to the boot";
        self.add("boot_partition", what, added, 300_000);
        self.within(BRING_UP_PERCENT);
        Ok(())
    }

    /// The stock Linux example, from its kernel's start to its power-off.
    fn linux(&mut self, runner: &Runner, linux: &Prepared) -> Result<()> {
        progress::step("Measuring", "the stock Linux example");
        let outcome = runner.prepared("linux", linux)?;
        for problem in &outcome.summary.problems {
            progress::step("Problem", problem);
        }
        let problems = u64::try_from(outcome.summary.problems.len())?;
        let what = "promises that the stock Linux example found broken";
        self.add("linux_problems", what, problems, 0);
        let started = |exits: &&Exits| exits.kind.marks > 0;
        let boot: Vec<_> = outcome.exits(0).filter(|exits| !started(exits)).collect();
        let by_reason = by_reason(boot.iter().copied());
        let cpuid = by_reason.get("cpuid").copied().unwrap_or(0);
        let all = by_reason
            .values()
            .fold(0_u64, |sum, n| sum.saturating_add(*n));
        self.exits.insert("boot of Linux, one core", by_reason);
        let others = all.saturating_sub(cpuid);
        // Counted apart and without a goal: how often a guest asks is its own choice.
        self.add_linux(
            "linux_boot_cpuid",
            "CPUID exits of Linux' boot",
            cpuid,
            cpuid,
        );
        let what = "other exits of Linux' boot, one core";
        self.add_linux("linux_boot_others", what, others, 200);
        let later = || outcome.count.exits.iter().filter(started);
        let lengths = merge(later());
        let (sum, count) = sums(&lengths);
        let mean = sum.checked_div(count).context("no exit after the boot")?;
        let what = "Bulkhead's instructions for an exit after Linux' boot, mean";
        self.add_linux("instructions_mean", what, mean, 100);
        let what = "the same, largest";
        self.add_linux("instructions_largest", what, largest(&lengths)?, 300);
        for exits in &outcome.count.exits {
            let by_length = self.lengths.entry(run::reason(exits)).or_default();
            add_all(by_length, &exits.lengths);
        }
        self.exits
            .insert("work and end, both partitions", self::by_reason(later()));
        self.tables(&outcome.summary)?;
        let first = runner.boot("linux-boot", linux)?;
        let what = "instructions from the kernel's entry to the first guest's";
        self.add("boot_instructions", what, first, 3_000_000);
        self.within(SIZE_PERCENT);
        let resident = outcome.summary.resident_bytes.context("not told")?;
        let what = "bytes resident with two partitions, images apart";
        self.add("resident_bytes", what, resident, 192 << 10);
        self.within(SIZE_PERCENT);
        Ok(())
    }

    fn add_linux(&mut self, name: &'static str, what: &'static str, value: u64, goal: u64) {
        self.add(name, what, value, goal);
        self.within(LINUX_PERCENT);
    }

    /// How much code there is.
    pub fn lines(&mut self, paths: &Paths) -> Result<()> {
        let lines = lines::count(&paths.root)?;
        let what = "lines of code in root mode, both back ends, tests apart";
        self.add("lines", what, lines.all, 8_000);
        self.within(SIZE_PERCENT);
        let per_mille = lines.with_unsafe.saturating_mul(1000);
        let per_mille = per_mille.checked_div(lines.all).context("no lines")?;
        let what = "lines with `unsafe` among 1,000 of them";
        self.add("lines_unsafe", what, per_mille, 50);
        Ok(())
    }
}

/// The exits of the first partition's guest at its work.
fn work(outcome: &Outcome) -> impl Iterator<Item = &Exits> {
    outcome.exits(0).filter(|exits| exits.kind.marks == WORK)
}

/// What `part` is of `whole`.
pub fn millionths(part: u64, whole: u64) -> Result<u64> {
    let millionths = u128::from(part).saturating_mul(1_000_000);
    let millionths = millionths.checked_div(whole.into());
    Ok(u64::try_from(millionths.context("of nothing")?)?)
}

/// How many there were, but that of the mark at the end.
pub fn exits_of_work(outcome: &Outcome) -> Result<u64> {
    let marks = outcome.count.marks.iter().filter(|mark| mark.space == 1);
    ensure!(marks.count() > 2, "the guest did not mark its work");
    let all = work(outcome).fold(0_u64, |sum, exits| sum.saturating_add(exits.count));
    all.checked_sub(1)
        .context("the mark at the end made no exit")
}

/// The guest's instructions from the mark at its work's beginning to the one at its end.
pub fn instructions_of_work(count: &Count) -> Result<u64> {
    let begin = usize::try_from(WORK)?.saturating_sub(1);
    let mut marks = count.marks.iter().skip(begin).map(|mark| mark.guest);
    let (begin, end) = (marks.next(), marks.next());
    let (Some(begin), Some(end)) = (begin, end) else {
        anyhow::bail!("the guest did not mark its work");
    };
    end.checked_sub(begin).context("the marks are out of order")
}

fn by_reason<'a>(exits: impl Iterator<Item = &'a Exits>) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for exits in exits {
        let count: &mut u64 = counts.entry(run::reason(exits)).or_default();
        *count = count.saturating_add(exits.count);
    }
    counts
}

fn merge<'a>(exits: impl Iterator<Item = &'a Exits>) -> BTreeMap<u64, u64> {
    let mut all = BTreeMap::new();
    exits.for_each(|exits| add_all(&mut all, &exits.lengths));
    all
}

fn add_all(all: &mut BTreeMap<u64, u64>, lengths: &BTreeMap<u64, u64>) {
    for (length, count) in lengths {
        let sum = all.entry(*length).or_default();
        *sum = sum.saturating_add(*count);
    }
}

/// All instructions, and all exits.
fn sums(lengths: &BTreeMap<u64, u64>) -> (u64, u64) {
    lengths
        .iter()
        .fold((0, 0), |(sum, exits), (length, count)| {
            let more = length.saturating_mul(*count);
            (sum.saturating_add(more), exits.saturating_add(*count))
        })
}

fn largest(lengths: &BTreeMap<u64, u64>) -> Result<u64> {
    let last = lengths.last_key_value().map(|(length, _)| *length);
    last.context("there was no such exit")
}
