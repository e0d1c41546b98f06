//! What was counted of one run of the workload, phase by phase.
//!
//! Key types: [`Observed`] and [`Phase`]. The guest marks the begin and the end of each kind of
//! work, whatever it runs on (`tools/guest-init/src/exits.rs`, `measure_all`), and the plugin
//! tells with each exit how many marks were before it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use harness::count::{Count, Exits, Mark};
use serde::{Deserialize, Serialize};

use crate::bench::run;

/// Before the guest's kernel: firmware, loader, decompressor.
pub const FIRMWARE: &str = "firmware";
/// From the kernel's first instruction to its first program's.
pub const BOOT: &str = "boot";
/// From there to the end.
pub const AFTER: &str = "after";
/// The kinds of work.
pub const IDLE: &str = "idle";
/// A loop.
pub const LOOP: &str = "loop";
/// Reads of the disk.
pub const READS: &str = "reads";
/// Cores that wake one another.
pub const WAKES: &str = "wakes";

/// The kinds of work in the order in which the guest does them; the last one takes two cores.
pub const WORK: [&str; 4] = [IDLE, LOOP, READS, WAKES];
/// The marks before any work: the kernel's begin, the first program's, and those of the work
/// that is not measured.
const MARKS_BEFORE_WORK: usize = 2 + MARKS_OF_WORK;
/// Two at its begin, since reading the counters is measured first, and one at its end.
const MARKS_OF_WORK: usize = 3;

/// One run of the workload.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Its phases by name.
    pub phases: BTreeMap<String, Phase>,
}

/// What was counted in one phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// The exits by reason.
    pub exits: BTreeMap<String, u64>,
    /// All instructions outside the guest, on all processors.
    pub hypervisor: u64,
    /// The guest's instructions, on the processor that marks the begin and the end.
    pub guest: u64,
    /// Those exits that led straight back into the guest, and their instructions.
    pub straight: (u64, u64),
}

impl Phase {
    /// All exits.
    pub fn total(&self) -> u64 {
        let counts = self.exits.values();
        counts.fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn add(&mut self, exits: &Exits) {
        if exits.count > 0 {
            let count = self.exits.entry(reason(exits).to_owned()).or_default();
            *count = count.saturating_add(exits.count);
        }
        for (length, count) in &exits.lengths {
            let (all, instructions) = &mut self.straight;
            *all = all.saturating_add(*count);
            *instructions = instructions.saturating_add(length.saturating_mul(*count));
        }
    }

    /// The instructions between two marks.
    fn between(&mut self, begin: &Mark, end: &Mark) {
        self.hypervisor = end.root.saturating_sub(begin.root);
        if begin.processor == end.processor {
            self.guest = end.guest.saturating_sub(begin.guest);
        }
    }
}

impl Observed {
    /// Sorts what was counted of a guest on `cores` cores into phases. The exit that `reading`
    /// the counters once makes, or the exits, are no work's: so many for CPUID are taken off.
    pub fn new(count: &Count, cores: u32, reading: u64) -> Result<Self> {
        let work = WORK.get(..if cores > 1 { 4 } else { 3 }).unwrap_or(&WORK);
        let marks = work.len().saturating_mul(MARKS_OF_WORK);
        let expected = MARKS_BEFORE_WORK.saturating_add(marks);
        let found = count.marks.len();
        ensure!(found == expected, "{found} marks, expected {expected}");
        let mut observed = Self::default();
        observed.add(FIRMWARE, count, |marks| marks == 0);
        observed.add(BOOT, count, |marks| marks == 1);
        observed.add(AFTER, count, |marks| marks > 1);
        for (index, name) in work.iter().enumerate() {
            let begun = index.saturating_mul(MARKS_OF_WORK);
            let begun = begun.saturating_add(MARKS_BEFORE_WORK).saturating_add(2);
            let phase = observed.add(name, count, |marks| marks == begun);
            let mut around = count.marks.iter().skip(begun.saturating_sub(1));
            let (begin, end) = around.next().zip(around.next()).context("no marks")?;
            phase.between(begin, end);
            phase.take_off(reading)?;
        }
        Ok(observed)
    }

    /// The phase `name`.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.get(name)
    }

    fn add(&mut self, name: &str, count: &Count, is_in: impl Fn(usize) -> bool) -> &mut Phase {
        let phase = self.phases.entry(name.to_owned()).or_default();
        for exits in &count.exits {
            if usize::try_from(exits.kind.marks).is_ok_and(&is_in) {
                phase.add(exits);
            }
        }
        phase
    }
}

impl Phase {
    /// Takes off the exits that reading the counters makes.
    fn take_off(&mut self, reading: u64) -> Result<()> {
        let cpuid = vdev::ExitReason::Cpuid.name();
        let found = self.exits.remove(cpuid).unwrap_or(0);
        let left = found.checked_sub(reading);
        let left = left.with_context(|| format!("{found} exits for {reading} CPUIDs"))?;
        if left > 0 {
            self.exits.insert(cpuid.to_owned(), left);
        }
        Ok(())
    }
}

/// A name for an exit's reason: Bulkhead's, and further ones for what only KVM intercepts.
fn reason(exits: &Exits) -> &'static str {
    /// The local APIC's timer, its deadline and its initial count, and its end of interrupt
    /// (AMD APM volume 2, 24593-3.42, appendix A "MSR Cross-Reference").
    const TIMER: [u32; 2] = [0x6E0, 0x838];
    const END_OF_INTERRUPT: u32 = 0x80B;
    let kind = &exits.kind;
    match svm::ExitCode(kind.code) {
        run::VINTR => "interrupt-window",
        svm::ExitCode(0..=0x3F) => "control-register",
        svm::ExitCode::MSR if kind.write == 1 && TIMER.contains(&kind.register) => "timer-write",
        svm::ExitCode::MSR if kind.write == 1 && kind.register == END_OF_INTERRUPT => "eoi-write",
        _ => run::reason(exits),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::count::Kind;

    const CPUID: u64 = 0x72;
    const HLT: u64 = 0x78;

    fn exits(marks: u32, code: u64, count: u64) -> Exits {
        Exits {
            kind: Kind {
                space: 0,
                marks,
                code,
                register: 0,
                write: 0,
            },
            count,
            lengths: BTreeMap::from([(100, count)]),
        }
    }

    /// A guest with one core: marks 1,000 instructions of its own and 10 of the host's apart.
    fn count() -> Count {
        let mark = |index: u32| Mark {
            space: 0,
            processor: 1,
            guest: u64::from(index).saturating_mul(1000),
            root: u64::from(index).saturating_mul(10),
        };
        Count {
            marks: (0..14).map(mark).collect(),
            exits: vec![
                exits(0, HLT, 1),
                exits(1, CPUID, 2),
                exits(7, CPUID, 1),
                exits(7, HLT, 5),
                exits(8, HLT, 9),
                exits(10, CPUID, 1),
                exits(13, CPUID, 3),
            ],
            ..Count::default()
        }
    }

    #[test]
    fn an_exit_belongs_to_the_work_between_whose_marks_it_is() {
        let observed = Observed::new(&count(), 1, 1).unwrap();
        let total = |name| observed.phase(name).map(Phase::total);
        assert_eq!(total(FIRMWARE), Some(1));
        assert_eq!(total(BOOT), Some(2));
        assert_eq!(total(IDLE), Some(5));
        assert_eq!(total(LOOP), Some(0));
        assert_eq!(total(READS), Some(2));
        assert_eq!(total(WAKES), None);
        let idle = observed.phase(IDLE).unwrap();
        assert_eq!((idle.guest, idle.hypervisor), (1000, 10));
        assert_eq!(idle.straight, (6, 600));
    }

    #[test]
    fn a_missing_mark_is_an_error() {
        let mut count = count();
        count.marks.pop();
        assert!(Observed::new(&count, 1, 1).is_err());
        assert!(Observed::new(&self::count(), 2, 1).is_err());
    }

    #[test]
    fn a_work_without_the_exits_of_its_marks_is_an_error() {
        assert!(Observed::new(&count(), 1, 2).is_err());
    }
}
