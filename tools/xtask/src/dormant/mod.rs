//! `cargo xtask demo dormant`: two stock Linux guests work on while Bulkhead is overwritten.
//!
//! What the guests do is told by themselves, on their disks: printing would be an exit. What
//! exits they make is told by Bulkhead, to the user's tool. See `tools/guest-init/src/dormant.rs`
//! for the other side.

mod counters;
mod progress;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::serial::Heard;
use harness::{Emulator, Message};
use serde_json::{Value, json};

use crate::machine::Choice;
use crate::paths::Paths;
use crate::run::{self, LISTEN};
use crate::{progress as words, test};
use counters::{Exits, Tool};
use progress::{Progress, Window};

/// How long two kernels may take to boot, and how long a step of the work may take.
const BOOT_LIMIT: Duration = Duration::from_secs(240);
const STEP_LIMIT: Duration = Duration::from_secs(60);
/// How long there must have been no exit, so that a guest counts as settled.
const QUIET: Duration = Duration::from_secs(5);
/// How long the neighbour is watched after an exit was provoked, by its own clock.
const NEIGHBOUR: Duration = Duration::from_secs(10);
/// The whole run, beside the time for which the guests are watched.
const RUN_LIMIT: Duration = Duration::from_secs(900);
/// What a guest with several cores exits for in its steady state.
const INTERRUPTS: &str = "icr-write";
/// What Bulkhead says of an exit that it does not answer any more.
const NOTICED: &str = "crash: sealed text executed";

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That the guests work on.
    WorkOn,
    /// That an exit is noticed.
    ProvokeExit,
}

/// A partition of the example, and the image of the namespace that it has.
struct Guest {
    name: &'static str,
    cores: u64,
    window: Window,
}

/// The machine while it runs.
struct Stage {
    emulator: Emulator,
    tool: Tool,
    guests: [Guest; 2],
    out: Box<dyn Write>,
    noticed: Option<String>,
}

/// Shows it; whether all of it held.
pub fn run(paths: &Paths, wish: Wish, watched: Duration, prints_json: bool) -> Result<bool> {
    let mut stage = Stage::set(paths, watched, prints_json)?;
    let verdict = stage.play(wish, watched)?;
    let holds = verdict.get("ok") == Some(&Value::Bool(true));
    stage.say(if holds {
        "All of it held."
    } else {
        "It did NOT hold."
    })?;
    if prints_json {
        println!("{verdict}");
    }
    Ok(holds)
}

impl Stage {
    /// Builds everything and starts the machine.
    fn set(paths: &Paths, watched: Duration, prints_json: bool) -> Result<Self> {
        let plan = write_plan(paths)?;
        test::build_tool(paths)?;
        let prepared = run::prepare(paths, Choice::Qemu, Some(&plan))?;
        let images = prepared.machine.images.as_ref().context("no disks")?;
        let guest = |name, cores, file: &str| {
            let window = Window::open(&images.join(file))?;
            Ok::<_, anyhow::Error>(Guest {
                name,
                cores,
                window,
            })
        };
        let guests = [
            guest("alpha", 1, "nvme1.img")?,
            guest("beta", 2, "nvme2.img")?,
        ];
        let mut emulator = run::start(paths, &prepared)?;
        emulator.limit(RUN_LIMIT.saturating_add(watched));
        let socket = emulator.channel_socket().path();
        let socket = socket.context("the channel has no path")?.to_owned();
        Ok(Self {
            emulator,
            tool: Tool::new(paths.tool(), &socket),
            guests,
            out: if prints_json {
                Box::new(io::stderr())
            } else {
                Box::new(io::stdout())
            },
            noticed: None,
        })
    }

    fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").context("printing")
    }

    /// From the boot to the verdict, which is what `--json` prints.
    fn play(&mut self, wish: Wish, watched: Duration) -> Result<Value> {
        self.say(
            "1. Two stock Linux kernels boot: alpha with 1 core, beta with 2. Each writes to",
        )?;
        self.say("   its NVMe virtual function, reads back and compares, on and on.")?;
        self.wait("both guests work", BOOT_LIMIT, |stage| {
            Ok(stage.progress(0)?.is_some() && stage.progress(1)?.is_some())
        })?;
        self.settle()?;
        self.say("2. They have settled: no exits for a while but beta's between its two cores.")?;
        self.show_counters()?;
        let sealed = self.seal()?;
        let before = self.now()?;
        if wish == Wish::ProvokeExit {
            return self.provoke(sealed, before);
        }
        let seconds = watched.as_secs();
        self.say(&format!("4. {seconds} s go by, by the guests' own clocks."))?;
        self.work_on(&[0, 1], &before, watched)?;
        let after = self.now()?;
        self.say("5. What they did meanwhile:")?;
        let mut ok = true;
        let mut partitions = Vec::new();
        for index in [0, 1] {
            let (holds, found) = self.judge(index, &before, &after)?;
            ok &= holds;
            partitions.push(found);
        }
        self.show_counters()?;
        Ok(json!({ "ok": ok, "sealed": sealed, "partitions": partitions }))
    }

    /// Waits until no guest exits but for interrupts between its cores.
    fn settle(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut before = self.tool.exits()?;
        while begin.elapsed() < STEP_LIMIT {
            self.listen(QUIET)?;
            let after = self.tool.exits()?;
            let names = self.guests.each_ref().map(|guest| guest.name);
            let others = names.map(|name| counters::others(&before, &after, name, INTERRUPTS));
            if others.iter().all(BTreeMap::is_empty) {
                return Ok(());
            }
            before = after;
        }
        bail!("the guests still exit after {STEP_LIMIT:?}")
    }

    fn seal(&mut self) -> Result<Value> {
        self.say("3. bulkhead ctl seal --yes")?;
        let sealed = self.tool.seal(STEP_LIMIT)?;
        let bytes = |key: &str| sealed.get(key).and_then(Value::as_u64).context("no bytes");
        let (overwritten, text) = (bytes("overwritten_bytes")?, bytes("text_bytes")?);
        ensure!(overwritten > 0, "nothing was overwritten");
        let left = text.saturating_sub(overwritten);
        self.say(&format!(
            "   {overwritten} of {text} bytes of Bulkhead's text are overwritten by INT3; {left} are left."
        ))?;
        Ok(sealed)
    }

    /// Where everybody is.
    fn now(&mut self) -> Result<Moment> {
        let progress = [0, 1].map(|index| self.progress(index));
        let [alpha, beta] = progress;
        Ok(Moment {
            progress: [alpha?, beta?].map(Option::unwrap_or_default),
            exits: self.tool.exits()?,
        })
    }

    fn progress(&self, index: usize) -> Result<Option<Progress>> {
        self.guest(index)?.window.progress()
    }

    fn guest(&self, index: usize) -> Result<&Guest> {
        self.guests.get(index).context("there are two guests")
    }

    /// Waits until `watched` has gone by for the guests `of`, by their own clocks.
    fn work_on(&mut self, of: &[usize], before: &Moment, watched: Duration) -> Result<()> {
        let limit = watched.saturating_mul(4).saturating_add(STEP_LIMIT);
        self.wait("the guests work on", limit, |stage| {
            let mut all = true;
            for index in of {
                let now = stage.progress(*index)?.unwrap_or_default();
                let begin = before.progress_of(*index).milliseconds;
                let gone = Duration::from_millis(now.milliseconds.saturating_sub(begin));
                all &= gone >= watched;
            }
            Ok(all)
        })
    }

    /// What a guest did between the two moments, and whether it is as it should be.
    fn judge(&mut self, index: usize, before: &Moment, after: &Moment) -> Result<(bool, Value)> {
        let Guest { name, cores, .. } = *self.guest(index)?;
        let did = after.progress_of(index).since(before.progress_of(index));
        let allowed = if cores > 1 { INTERRUPTS } else { "" };
        let others = counters::others(&before.exits, &after.exits, name, allowed);
        let interrupts = counters::count(&before.exits, &after.exits, name, INTERRUPTS);
        let ok = did.errors == 0
            && did.is_lively()
            && others.is_empty()
            && (cores == 1 || interrupts > 0);
        let total: u64 = others.values().sum();
        self.say(&format!(
            "   {name}: {} MiB written, read back and compared, {} errors; {} timer ticks and {} \
             interrupts of its function in {} s; {total} exits{}",
            did.bytes >> 20,
            did.errors,
            did.ticks,
            did.interrupts,
            did.milliseconds / 1000,
            if cores > 1 {
                format!(" beside {interrupts} ICR writes")
            } else {
                String::new()
            }
        ))?;
        if !others.is_empty() {
            self.say(&format!("   {name} has exited: {others:?}"))?;
        }
        let found = json!({
            "name": name, "cores": cores, "ok": ok, "milliseconds": did.milliseconds,
            "bytes": did.bytes, "errors": did.errors, "ticks": did.ticks,
            "interrupts": did.interrupts, "icr_writes": interrupts, "other_exits": others,
        });
        Ok((ok, found))
    }

    /// The control: alpha executes CPUID.
    fn provoke(&mut self, sealed: Value, before: Moment) -> Result<Value> {
        self.say("4. alpha executes CPUID.")?;
        self.guest(0)?.window.ask("cpuid")?;
        self.wait("the exit is noticed", STEP_LIMIT, |stage| {
            Ok(stage.noticed.is_some())
        })?;
        let noticed = self.noticed.clone().unwrap_or_default();
        self.say(&format!("   Bulkhead: {noticed}"))?;
        let stopped = self.now()?;
        self.say("5. alpha is lost; beta works on.")?;
        self.work_on(&[1], &stopped, NEIGHBOUR)?;
        let after = self.now()?;
        let (beta, found) = self.judge(1, &stopped, &after)?;
        let cpuid = counters::count(&before.exits, &after.exits, "alpha", "cpuid");
        let lost = after.progress_of(0).since(stopped.progress_of(0)).rounds == 0;
        self.show_counters()?;
        let ok = beta && lost && cpuid == 1;
        Ok(json!({
            "ok": ok, "sealed": sealed, "noticed": noticed, "cpuid_exits": cpuid,
            "alpha_stands": lost, "partitions": [found],
        }))
    }

    fn show_counters(&mut self) -> Result<()> {
        self.say("   bulkhead ctl counters")?;
        let table = self.tool.run(&["counters"])?;
        for line in table.lines() {
            self.say(&format!("     {line}"))?;
        }
        Ok(())
    }

    /// Listens until `condition` holds.
    fn wait(
        &mut self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Self) -> Result<bool>,
    ) -> Result<()> {
        let begin = Instant::now();
        while !condition(self)? {
            ensure!(begin.elapsed() < limit, "not within {limit:?}: {what}");
            self.listen(LISTEN)?;
        }
        Ok(())
    }

    /// Takes what the machine says, for so long.
    fn listen(&mut self, time: Duration) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < time {
            match self.emulator.hear(LISTEN) {
                Heard::Line(line) => self.take(&Message::parse(&line))?,
                Heard::Silence if run::is_interrupted() => bail!("ended by the user"),
                Heard::Silence => {}
                Heard::End => bail!("{:#}", self.emulator.ending()),
            }
        }
        Ok(())
    }

    fn take(&mut self, message: &Message) -> Result<()> {
        match message {
            Message::Text(text) if text.starts_with(NOTICED) => {
                let what = text.trim_start_matches("crash: ");
                self.noticed = Some(what.to_owned());
            }
            _ if self.noticed.is_some() => {}
            _ => {
                if let Some(why) = message.given_up() {
                    bail!("{why}");
                }
            }
        }
        Ok(())
    }
}

/// Where both guests are, and the exits that all have made so far.
struct Moment {
    progress: [Progress; 2],
    exits: Exits,
}

impl Moment {
    fn progress_of(&self, index: usize) -> Progress {
        self.progress.get(index).copied().unwrap_or_default()
    }
}

/// The example, with guests that work without a word.
fn write_plan(paths: &Paths) -> Result<PathBuf> {
    let example = fs::read_to_string(paths.root.join(run::EXAMPLE))?;
    let plan = paths.example().join("dormant.toml");
    let text = example.replace(" bulkhead.cores=", " bulkhead.mode=dormant bulkhead.cores=");
    fs::create_dir_all(paths.example())?;
    fs::write(&plan, text).with_context(|| format!("writing {}", plan.display()))?;
    words::step("Writing", &format!("{}", plan.display()));
    Ok(plan)
}
