//! The soak: a guest is restarted over and over, by one cause after another, beside one that
//! computes and checks itself; and everything that can be counted is.
//!
//! Key types: [`Order`], what is to be done; [`Outcome`], what was counted, with everything that
//! is not as it should be. Each guest searches all of its memory for what the one before has
//! left, says so, and leaves something itself.

mod count;
mod report;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::{Bench, Channel, Emulator, Machine, Message, Need};
use mgmt_proto::{Request, StopManner};

use crate::life::{Watched, number, pattern};
use crate::managed::name;
use crate::plans::{self, Guest};
use crate::watch::{Steady, Watch};
pub use count::Count;

/// How long one guest may take from its start to its report, and to its end.
const TINY_LIMIT: Duration = Duration::from_secs(60);
const LINUX_LIMIT: Duration = Duration::from_secs(240);
/// No soak takes longer.
const RUN_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Where `beta` is, and how much it has.
const BETA_START: u64 = plans::BETA_START;
const TINY_MEBIBYTES: u64 = 4;
const LINUX_MEBIBYTES: u64 = 256;
/// Every how many guests one of Linux, and the one after it, searches and fills memory and works
/// with its disk: no divisor of the ends' number, so that all of them come after all ends.
const THOROUGH: u32 = 8;
/// The partition that is restarted.
const RESTARTED: &str = "beta";

/// What is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A bare guest in two cores and 4 MiB.
    Tiny,
    /// A stock Linux in one core and 256 MiB, with a virtual function where there are any.
    Linux,
}

/// How a guest ends and is followed by the next.
#[derive(Debug, Clone, Copy)]
struct End {
    /// What its guest is told.
    word: &'static str,
    /// What Bulkhead says of it.
    cause: &'static str,
    /// What the administrator does.
    act: Act,
}

/// What the administrator does about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Nothing: the plan wants the partition to start again.
    Waits,
    /// Restarts the partition by force, which is the end.
    Restarts,
    /// Starts the partition when it has stopped.
    Starts,
}

const fn end(word: &'static str, cause: &'static str, act: Act) -> End {
    End { word, cause, act }
}

/// The ends, one guest after another.
const TINY_ENDS: [End; 5] = [
    end("spin", "administrator", Act::Restarts),
    end("reset", "reboot", Act::Waits),
    end("halt", "administrator", Act::Restarts),
    end("triple", "triple fault", Act::Starts),
    end("off", "poweroff", Act::Starts),
];
const LINUX_ENDS: [End; 5] = [
    end("stay", "administrator", Act::Restarts),
    end("reboot", "reboot", Act::Waits),
    end("crash", "reboot", Act::Waits),
    end("triple", "triple fault", Act::Starts),
    end("poweroff", "poweroff", Act::Starts),
];

impl Kind {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Linux => "linux",
        }
    }

    const fn ends(self) -> [End; 5] {
        match self {
            Self::Tiny => TINY_ENDS,
            Self::Linux => LINUX_ENDS,
        }
    }

    /// The partition that is restarted.
    fn guest(self, machine: &Machine) -> Guest {
        let ends = self.ends().map(|end| end.word).join(",");
        match self {
            Self::Tiny => Guest::beta("relic")
                .with_memory(BETA_START, TINY_MEBIBYTES)
                .with_argument(&format!("{} ends={ends}", pattern())),
            Self::Linux => {
                let guest = Guest::linux(RESTARTED, &[2], (BETA_START, LINUX_MEBIBYTES));
                let guest = guest.with_argument(&format!(
                    "bulkhead.mode=lives bulkhead.ends={ends} bulkhead.thorough={THOROUGH} \
                     bulkhead.{}",
                    pattern()
                ));
                if machine.images.is_some() {
                    guest.with_virtual_function(2)
                } else {
                    guest.with_argument("bulkhead.functions=0")
                }
            }
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What is restarted.
    pub kind: Kind,
    /// How often.
    pub restarts: u32,
}

/// What was counted.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was to be done.
    pub order: Order,
    /// The machine's name.
    pub machine: &'static str,
    /// How long it took, of the host's time.
    pub seconds: u64,
    /// The restarts that were done, by the end that they followed.
    pub restarts: BTreeMap<&'static str, u32>,
    /// The bytes of memory that the guests have searched for what others left.
    pub searched_bytes: u64,
    /// How many guests have worked with their disk.
    pub storage_lives: u32,
    /// What `alpha` has told of itself.
    pub steady: Steady,
    /// What Bulkhead counts, before the first restart and after the last.
    pub counts: Option<[Count; 2]>,
    /// Everything that is not as it should be.
    pub wrong: Vec<String>,
}

impl Outcome {
    /// The restarts of all causes.
    pub fn done(&self) -> u32 {
        self.restarts.values().sum()
    }
}

/// Boots and restarts; `progress` is told how many restarts are done.
///
/// # Errors
/// The machine cannot be started at all. What goes wrong later is in the outcome.
pub fn run(bench: &Bench, order: Order, progress: &mut dyn FnMut(u32)) -> Result<Outcome> {
    let has_disk = order.kind == Kind::Linux && bench.has(Need::Nvme);
    let machine = if has_disk {
        bench.machine_with_nvme()?
    } else {
        bench.machine()
    };
    let guests = [Guest::alpha("steady"), order.kind.guest(&machine)];
    let plan = plans::with_management(&plans::source(&machine, &guests), "0x2f8");
    let mut emulator = bench.start(&machine, &plan)?;
    emulator.limit(RUN_LIMIT);
    let mut soak = Soak {
        channel: emulator.channel()?,
        emulator,
        watch: Watch::default(),
        outcome: Outcome {
            order,
            machine: bench.platform.name(),
            seconds: 0,
            restarts: BTreeMap::new(),
            searched_bytes: 0,
            storage_lives: 0,
            steady: Steady::default(),
            counts: None,
            wrong: Vec::new(),
        },
    };
    let begin = Instant::now();
    let result = soak.restart_all(progress);
    Ok(soak.finish(result, begin.elapsed()))
}

/// A soak under way.
struct Soak {
    emulator: Emulator,
    channel: Channel,
    watch: Watch,
    outcome: Outcome,
}

impl Soak {
    fn restart_all(&mut self, progress: &mut dyn FnMut(u32)) -> Result<()> {
        self.begun(1)?;
        let before = Count::read(&mut self.channel)?;
        self.outcome.counts = Some([before, before]);
        let ends = self.outcome.order.kind.ends();
        for (done, end) in (0..self.outcome.order.restarts).zip(ends.iter().cycle()) {
            let life = u64::from(done).saturating_add(2);
            self.restart(end, life).with_context(|| {
                format!("restart {}, after {}", done.saturating_add(1), end.word)
            })?;
            let count = self.outcome.restarts.entry(end.word).or_default();
            *count = count.saturating_add(1);
            progress(self.outcome.done());
        }
        self.await_steady()?;
        let after = Count::read(&mut self.channel)?;
        self.outcome.counts = Some([before, after]);
        Ok(())
    }

    /// One guest ends; the next works.
    fn restart(&mut self, end: &End, life: u64) -> Result<()> {
        let partition = name(RESTARTED)?;
        let watched = self.watched();
        let watch = &mut self.watch;
        watched.left(&mut self.emulator, |message| watch.take(message))?;
        if end.act == Act::Restarts {
            let manner = StopManner::Forced;
            self.channel
                .order(&Request::Restart { partition, manner })?;
        }
        let see = |message: &Message| watch.take(message);
        watched.stopped(&mut self.emulator, end.cause, see)?;
        if end.act == Act::Starts {
            self.channel.order(&Request::Start { partition })?;
        }
        self.begun(life)
    }

    /// The guest number `life` works.
    fn begun(&mut self, life: u64) -> Result<()> {
        let watched = self.watched();
        let watch = &mut self.watch;
        let check = watched.begun(&mut self.emulator, life, |message| watch.take(message))?;
        let searched = number(&check, "searched_bytes")?;
        ensure!(
            self.outcome.order.kind == Kind::Linux || searched > 0,
            "nothing was searched"
        );
        let outcome = &mut self.outcome;
        outcome.searched_bytes = outcome.searched_bytes.saturating_add(searched);
        if number(&check, "stored_bytes").is_ok_and(|bytes| bytes > 0) {
            outcome.storage_lives = outcome.storage_lives.saturating_add(1);
        }
        Ok(())
    }

    /// Waits for `alpha`'s report of rounds all of which came after this call.
    fn await_steady(&mut self) -> Result<()> {
        let watch = &mut self.watch;
        let last = watch.steady.reports.saturating_add(2);
        self.emulator
            .wait_for("report of alpha", TINY_LIMIT, |message| {
                watch.take(message);
                (watch.steady.reports >= last).then_some(())
            })
    }

    const fn watched(&self) -> Watched<'static> {
        Watched {
            partition: RESTARTED,
            limit: match self.outcome.order.kind {
                Kind::Tiny => TINY_LIMIT,
                Kind::Linux => LINUX_LIMIT,
            },
        }
    }

    fn finish(self, result: Result<()>, time: Duration) -> Outcome {
        let mut outcome = self.outcome;
        outcome.seconds = time.as_secs();
        outcome.steady = self.watch.steady;
        outcome.wrong = self.watch.wrong;
        if let Err(error) = result {
            outcome.wrong.push(format!("{error:#}"));
        }
        outcome.judge();
        outcome
    }
}

/// A short one, as the command does it.
pub fn counts_nothing_wrong(bench: &Bench) -> Result<()> {
    let order = Order {
        kind: Kind::Tiny,
        restarts: 20,
    };
    let outcome = run(bench, order, &mut |_| {})?;
    ensure!(outcome.is_ok(), "{outcome}");
    Ok(())
}
