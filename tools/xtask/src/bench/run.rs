//! One run under the counting plugin, from the power button to the last partition's end.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cases::plans::{self, Guest};
use harness::count::{Count, Exits};
use harness::serial::Heard;
use harness::{
    Bench, Emulator, Event, Machine, Message, Monitor, Platform, Record, Software, Summary,
};
use vdev::ExitReason;

use super::trace::{self, Trace};
use crate::count::{self, Plugin};
use crate::paths::Paths;
use crate::run::{LISTEN, Prepared};

/// How long a run may take: a million interrupts of a function take a quarter of an hour.
const LIMIT: Duration = Duration::from_secs(3600);
/// How long QEMU may take to come to an end that is due.
const END_LIMIT: Duration = Duration::from_secs(120);

/// Exit codes that Bulkhead has no use for (AMD APM volume 2, 24593-3.42, appendix C).
pub const INTR: svm::ExitCode = svm::ExitCode(0x60);
pub const VINTR: svm::ExitCode = svm::ExitCode(0x64);
pub const HLT: svm::ExitCode = svm::ExitCode(0x78);
const XSETBV: svm::ExitCode = svm::ExitCode(0x8d);

/// The file for QEMU's trace.
const TRACE: &str = "trace.log";

/// Lets the plugin end QEMU at the first VMRUN.
const UNTIL_FIRST_GUEST: &str = ",end=first-guest";

/// What time is in the emulated machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Instructions: two runs are equal. QEMU 10.0 tells the plugin only which processor
    /// translated an instruction then, not which one executes it: for plans with one core in a
    /// guest, and for sums over all cores.
    Counted,
    /// The host's: how long a core waits for another one differs from run to run.
    Hosts,
}

/// What a run gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Seen from outside.
    pub count: Count,
    /// Said by Bulkhead.
    pub summary: Summary,
}

/// A Linux on the machine itself.
#[derive(Debug, Clone)]
pub struct Linux {
    /// How many processors the machine has.
    pub processors: u32,
    /// The kernel and its initial RAM disk.
    pub software: Software,
    /// The kernel's command line.
    pub command_line: String,
    /// Options for the counting plugin.
    pub options: &'static str,
}

/// A run of a guest beside others, until it ends.
#[derive(Debug, Clone)]
pub struct Beside {
    /// What it gave for that guest.
    pub outcome: Outcome,
    /// What QEMU traced.
    pub trace: Trace,
    /// How often the others began anew.
    pub restarts: usize,
}

/// Runs things and counts.
#[derive(Debug, Clone)]
pub struct Runner {
    plugin: Plugin,
    bench: Bench,
}

impl Runner {
    /// Builds the plugin; everything else must have been built.
    pub fn new(paths: &Paths) -> Result<Self> {
        Ok(Self {
            plugin: Plugin::build(paths)?,
            bench: Bench {
                platform: Platform::Tcg,
                kernel: paths.kernel(),
                guests: paths.bare_output(),
                linux: paths.example(),
                tool: paths.tool(),
                folder: paths.logs().join("bench"),
            },
        })
    }

    /// Bulkhead with bare guests, one in each partition.
    pub fn guests(&self, name: &str, guests: &[Guest], time: Time) -> Result<Outcome> {
        let bench = self.in_folder(name)?;
        let mut machine = bench.machine_with_nvme()?;
        machine.counts_time = time == Time::Counted;
        let output = self.watch(&bench, &mut machine, "");
        let emulator = bench.start(&machine, &plans::source(&machine, guests))?;
        self.finish(emulator, &output)
    }

    /// Bulkhead with bare guests, until `alpha`, the first, has switched its partition off.
    pub fn beside(&self, name: &str, guests: &[Guest]) -> Result<Beside> {
        let bench = self.in_folder(name)?;
        let mut machine = bench.machine_with_nvme()?;
        let traced = bench.folder.join(TRACE);
        let options = trace::EVENTS.iter().flat_map(|event| ["-trace", event]);
        machine.extra.extend(options.map(str::to_owned));
        let file = ["-D".to_owned(), traced.display().to_string()];
        machine.extra.extend(file);
        let output = self.watch(&bench, &mut machine, "");
        let mut emulator = bench.start(&machine, &plans::source(&machine, guests))?;
        let is_last =
            |event: &Event| matches!(event, Event::Stopped { name, .. } if name == "alpha");
        let outcome = self.listen(&mut emulator, &output, is_last)?;
        outcome.check(1)?;
        let messages = emulator.history().iter().map(|line| Message::parse(line));
        let starts =
            messages.filter(|message| matches!(message, Message::Event(Event::Started { .. })));
        Ok(Beside {
            outcome,
            trace: Trace(fs::read_to_string(&traced)?),
            restarts: starts.count(),
        })
    }

    /// Bulkhead's instructions from its entry to the first guest's, one in each partition.
    pub fn boot_of_guests(&self, name: &str, guests: &[Guest]) -> Result<u64> {
        let bench = self.in_folder(name)?;
        let mut machine = bench.machine_with_nvme()?;
        machine.counts_time = true;
        let output = self.watch(&bench, &mut machine, UNTIL_FIRST_GUEST);
        first_entry(
            bench.start(&machine, &plans::source(&machine, guests))?,
            &output,
        )
    }

    /// The same with what `prepared` says.
    pub fn boot(&self, name: &str, prepared: &Prepared) -> Result<u64> {
        let bench = self.in_folder(name)?;
        let mut machine = prepared.machine.clone();
        machine.counts_time = true;
        let output = self.watch(&bench, &mut machine, UNTIL_FIRST_GUEST);
        let emulator = Emulator::start(&machine, &prepared.software, &bench.folder)?;
        first_entry(emulator, &output)
    }

    /// Bulkhead with what `prepared` says.
    pub fn prepared(&self, name: &str, prepared: &Prepared) -> Result<Outcome> {
        let bench = self.in_folder(name)?;
        let mut machine = prepared.machine.clone();
        let output = self.watch(&bench, &mut machine, "");
        let emulator = Emulator::start(&machine, &prepared.software, &bench.folder)?;
        self.finish(emulator, &output)
    }

    /// A bare guest on the machine itself, with this command line, until it says that it has
    /// passed.
    pub fn bare(&self, guest: &str, command_line: &str) -> Result<Count> {
        let bench = self.in_folder(&format!("bare-{guest}"))?;
        let mut machine = bench.machine_with_nvme()?;
        machine.counts_time = true;
        let append = ["-append", command_line].map(str::to_owned);
        machine.extra.extend(append);
        let output = bench.folder.join("count.json");
        self.plugin.watch_other(&mut machine, &output, "");
        let software = Software {
            kernel: self.bench.guests.join(guest),
            module: None,
        };
        let mut emulator = Emulator::start(&machine, &software, &bench.folder)?;
        emulator.wait_for_text(&format!("PASS {guest}"), LIMIT)?;
        // It switches the machine off.
        wait_for_end(&mut emulator, END_LIMIT)?;
        count::read(&output)
    }

    /// Bulkhead with the plan in `source`, counted with further `options`.
    pub fn plan(&self, name: &str, source: &str, options: &str) -> Result<Outcome> {
        let bench = self.in_folder(name)?;
        let mut machine = bench.machine_with_nvme()?;
        let output = self.watch(&bench, &mut machine, options);
        let emulator = bench.start(&machine, source)?;
        self.finish(emulator, &output)
    }

    /// A Linux instead of Bulkhead, until it switches the machine off: the count, and all that
    /// was said.
    pub fn linux(&self, name: &str, linux: &Linux) -> Result<(Count, Vec<String>)> {
        let bench = self.in_folder(name)?;
        let mut machine = bench.machine_with_nvme()?;
        machine.processors = linux.processors;
        machine.extra.push("-append".to_owned());
        machine.extra.push(linux.command_line.clone());
        let output = bench.folder.join("count.json");
        self.plugin
            .watch_other(&mut machine, &output, linux.options);
        let mut emulator = Emulator::start(&machine, &linux.software, &bench.folder)?;
        wait_for_end(&mut emulator, LIMIT)?;
        Ok((count::read(&output)?, emulator.history().to_vec()))
    }

    fn in_folder(&self, name: &str) -> Result<Bench> {
        let folder = self.bench.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(Bench {
            folder,
            ..self.bench.clone()
        })
    }

    fn watch(&self, bench: &Bench, machine: &mut Machine, options: &str) -> PathBuf {
        let output = bench.folder.join("count.json");
        self.plugin.watch(machine, &output, options);
        output
    }

    /// Waits for the end of all partitions, and holds both counts against one another.
    fn finish(&self, mut emulator: Emulator, output: &Path) -> Result<Outcome> {
        let is_last = |event: &Event| *event == Event::Halted;
        let outcome = self.listen(&mut emulator, output, is_last)?;
        outcome.check(usize::MAX)?;
        Ok(outcome)
    }

    fn listen(
        &self,
        emulator: &mut Emulator,
        output: &Path,
        is_last: impl Fn(&Event) -> bool,
    ) -> Result<Outcome> {
        emulator.limit(LIMIT);
        let mut record = Record::default();
        loop {
            match emulator.hear(LISTEN) {
                Heard::Line(line) => {
                    let message = Message::parse(&line);
                    record.take(&message);
                    if let Some(why) = message.given_up() {
                        bail!("{why}");
                    }
                    if matches!(&message, Message::Event(event) if is_last(event)) {
                        break;
                    }
                }
                Heard::End => return Err(emulator.ending()),
                Heard::Silence if emulator.is_out_of_time() => bail!("not done in {LIMIT:?}"),
                Heard::Silence => {}
            }
        }
        end(emulator)?;
        Ok(Outcome {
            count: count::read(output)?,
            summary: record.summary(None),
        })
    }
}

/// What was counted up to the first VMRUN, where the plugin ends QEMU.
fn first_entry(mut emulator: Emulator, output: &Path) -> Result<u64> {
    wait_for_end(&mut emulator, END_LIMIT)?;
    let count = count::read(output)?;
    count.first_entry.context("no guest was entered")
}

/// Ends QEMU in an orderly way: the plugin writes its count then.
fn end(emulator: &mut Emulator) -> Result<()> {
    if let Err(error) = emulator.monitor().and_then(Monitor::quit) {
        return Err(emulator.ending().context(error));
    }
    wait_for_end(emulator, END_LIMIT)
}

fn wait_for_end(emulator: &mut Emulator, limit: Duration) -> Result<()> {
    emulator.limit(limit);
    loop {
        match emulator.hear(LISTEN) {
            Heard::End => {
                // The serial line is closed before the plugin has its last word.
                drop(emulator.ending());
                return Ok(());
            }
            Heard::Silence if emulator.is_out_of_time() => {
                bail!("QEMU does not end within {limit:?}")
            }
            Heard::Line(_) | Heard::Silence => {}
        }
    }
}

impl Outcome {
    /// The exits of the partition that is the plan's `index`-th, from 0.
    pub fn exits(&self, index: usize) -> impl Iterator<Item = &Exits> {
        let space = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
        let exits = self.count.exits.iter();
        exits.filter(move |exits| exits.kind.space == space)
    }

    /// Bulkhead's own counters for the first `count` partitions must agree with what was seen
    /// from outside, exactly.
    fn check(&self, count: usize) -> Result<()> {
        for (index, partition) in self.summary.partitions.iter().take(count).enumerate() {
            let cause = partition.cause.as_deref();
            ensure!(
                cause == Some("poweroff"),
                "{} stopped by {cause:?}",
                partition.name
            );
            let mut seen = BTreeMap::new();
            for exits in self.exits(index) {
                add(&mut seen, reason(exits), exits.count);
            }
            let mut told = BTreeMap::new();
            for (name, count) in &partition.exits {
                let count = count.as_u64().context("a counter is no number")?;
                add(&mut told, group(name), count);
            }
            ensure!(
                seen == told,
                "{}: seen from outside {seen:?}, told by Bulkhead {told:?}",
                partition.name
            );
        }
        Ok(())
    }
}

fn add<'a>(counts: &mut BTreeMap<&'a str, u64>, reason: &'a str, count: u64) {
    let sum = counts.entry(reason).or_default();
    *sum = sum.saturating_add(count);
}

/// Bulkhead tells faults of the nested tables apart, the hardware does not.
fn group(reason: &str) -> &str {
    if [ExitReason::ConfigSpaceWrite, ExitReason::MsixWrite]
        .iter()
        .any(|one| one.name() == reason)
    {
        return ExitReason::NestedPageFault.name();
    }
    reason
}

/// Bulkhead's name for an exit code (AMD APM volume 2, 24593-3.42, appendix C).
pub fn reason(exits: &Exits) -> &'static str {
    const MACHINE_CHECK: u64 = 0x52;
    let reason = match svm::ExitCode(exits.kind.code) {
        INTR => ExitReason::ExternalInterrupt,
        HLT => ExitReason::Hlt,
        XSETBV => ExitReason::Xsetbv,
        svm::ExitCode::CPUID => ExitReason::Cpuid,
        svm::ExitCode::IOIO => ExitReason::PortIo,
        svm::ExitCode::MSR if exits.kind.write == 0 => ExitReason::MsrRead,
        svm::ExitCode::MSR if exits.kind.register == vdev::msr::X2APIC_ICR => ExitReason::IcrWrite,
        svm::ExitCode::MSR => ExitReason::MsrWrite,
        svm::ExitCode::NPF => ExitReason::NestedPageFault,
        svm::ExitCode::DEBUG | svm::ExitCode::ALIGNMENT_CHECK => ExitReason::Exception,
        svm::ExitCode::NMI => ExitReason::Nmi,
        svm::ExitCode::INIT => ExitReason::Init,
        svm::ExitCode::SHUTDOWN => ExitReason::Shutdown,
        svm::ExitCode::INVD
        | svm::ExitCode::RDPMC
        | svm::ExitCode::RSM
        | svm::ExitCode::MONITOR
        | svm::ExitCode::MWAIT
        | svm::ExitCode::MWAIT_CONDITIONAL
        | svm::ExitCode::INVLPGA => ExitReason::PrivilegedInstruction,
        svm::ExitCode(0x80..=0x86) => ExitReason::PrivilegedInstruction,
        svm::ExitCode(MACHINE_CHECK) => ExitReason::Other,
        code if code.is_invalid() => ExitReason::EntryFailure,
        _ => ExitReason::Other,
    };
    reason.name()
}
