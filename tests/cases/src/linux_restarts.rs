//! However a stock Linux ends, the next one in its partition works, with its virtual function
//! where there is one, and finds nothing of it in all of its memory, while a neighbour goes on
//! without an error and without an exit.
//!
//! One partition has several lives, each of which ends by another cause. Where that can be
//! seen, the harness looks at the memory from outside while the partition is stopped.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use harness::images::NAMESPACE_BYTES;
use harness::{Bench, Channel, Emulator, Machine, Message, Need};
use mgmt_proto::{Request, StopManner};

use crate::life::{WORD, Watched, number, pattern};
use crate::managed::name;
use crate::outside;
use crate::plans::{self, Guest};
use crate::watch::Watch;

/// How long one life may take, beside a busy neighbour on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);
/// The memory of the partition that ends.
const START: u64 = 0x2800_0000;
const MEBIBYTES: u64 = 128;
const BYTES: u64 = MEBIBYTES << 20;
/// What of it the kernel does not count as its RAM, at most.
const RESERVED_BYTES: u64 = 16 << 20;
/// What must have been filled of it, at least, before a look from outside.
const FILLED_BYTES: u64 = BYTES / 8;
/// The last block of the disk, which is read when requests are to be under way.
const LAST_BLOCK_BYTES: u64 = 64 << 10;
/// Reads a second that the disk is held to then: those that are under way stay so.
const READS_A_SECOND: u32 = 10;

/// How one life ends and how the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The guest restarts.
    Reboot,
    /// The guest switches itself off; the administrator starts the partition.
    PowerOff,
    /// The kernel crashes and restarts.
    Crash,
    /// The kernel crashes and hangs, as a stock one does; the administrator ends that.
    Hang,
    /// The function has many reads under way when the administrator stops the partition.
    Load,
}

/// Those that are shown without functions, where a boot takes a minute.
const FEW_ENDS: [End; 2] = [End::Reboot, End::Hang];
/// Those that are shown with a function.
const ENDS: [End; 5] = [End::Reboot, End::PowerOff, End::Crash, End::Hang, End::Load];

impl End {
    /// What the guest is told.
    const fn word(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::PowerOff => "poweroff",
            Self::Crash => "crash",
            Self::Hang => "hang",
            Self::Load => "load",
        }
    }

    /// What Bulkhead says of it.
    const fn cause(self) -> &'static str {
        match self {
            Self::Reboot | Self::Crash => "reboot",
            Self::PowerOff => "poweroff",
            Self::Hang | Self::Load => "administrator",
        }
    }
}

/// A machine on which this happens.
struct Scene<'a> {
    bench: &'a Bench,
    emulator: Emulator,
    channel: Channel,
    watch: Watch,
    boots: u64,
}

/// All ends that the machine can carry, one after another.
pub fn by_every_cause(bench: &Bench) -> Result<()> {
    let has_disk = bench.has(Need::Nvme);
    let ends = if has_disk { &ENDS[..] } else { &FEW_ENDS };
    let machine = if has_disk {
        let machine = bench.machine_with_nvme()?;
        fill_last_block(bench)?;
        machine
    } else {
        bench.machine()
    };
    let mut emulator = bench.start(&machine, &plan(&machine, ends))?;
    emulator.limit(
        LIMIT
            .saturating_mul(bench.platform.patience())
            .saturating_mul(4),
    );
    let mut scene = Scene {
        channel: emulator.channel()?,
        emulator,
        bench,
        watch: Watch::default(),
        boots: 0,
    };
    for (life, end) in (1..).zip(ends) {
        scene.begun(life)?;
        scene.end(*end)?;
    }
    let lives = u64::try_from(ends.len())?.saturating_add(1);
    scene.begun(lives)?;
    scene.ensure_undisturbed()?;
    ensure!(scene.boots == lives, "{} boots are judged", scene.boots);
    Ok(())
}

fn plan(machine: &Machine, ends: &[End]) -> String {
    let words: Vec<_> = ends.iter().map(|end| end.word()).collect();
    let beta = Guest::linux("beta", &[2], (START, MEBIBYTES)).with_argument(&format!(
        "bulkhead.mode=lives bulkhead.ends={},stay bulkhead.boot_exits=900 bulkhead.{}",
        words.join(","),
        pattern()
    ));
    let guests = if machine.images.is_some() {
        let alpha = Guest::linux("alpha", &[1], (plans::ALPHA_START, 512));
        let alpha = alpha.with_argument("bulkhead.mode=io");
        [
            alpha.with_virtual_function(1),
            beta.with_virtual_function(2),
        ]
    } else {
        let beta = beta.with_argument("bulkhead.functions=0");
        [Guest::alpha("steady"), beta]
    };
    plans::with_management(&plans::source(machine, &guests), "0x2f8")
}

/// What `beta` reads last: found in memory, it was put there by its function.
fn fill_last_block(bench: &Bench) -> Result<()> {
    let path = bench.folder.join("images").join("nvme2.img");
    let file = OpenOptions::new().write(true).open(path)?;
    let words = usize::try_from(LAST_BLOCK_BYTES / 8)?;
    let start = NAMESPACE_BYTES.saturating_sub(LAST_BLOCK_BYTES);
    Ok(file.write_all_at(&WORD.to_le_bytes().repeat(words), start)?)
}

const BETA: Watched<'_> = Watched {
    partition: "beta",
    limit: LIMIT,
};

impl Scene<'_> {
    /// The guest number `life` works: its boot made no more exits than the first one's, it has
    /// searched all of its memory, and its disk keeps what is written to it.
    fn begun(&mut self, life: u64) -> Result<()> {
        let (watch, boots) = (&mut self.watch, &mut self.boots);
        let check = BETA.begun(&mut self.emulator, life, |message| {
            watch.take(message);
            if let Message::Check { partition, check } = message
                && (partition.as_str(), check.name.as_str()) == ("beta", "exits_boot")
            {
                *boots = boots.saturating_add(1);
            }
        })?;
        let searched = number(&check, "searched_bytes")?;
        let least = BYTES.saturating_sub(RESERVED_BYTES);
        ensure!(searched >= least, "{searched} bytes were searched");
        let has_stored = number(&check, "stored_bytes")? > 0;
        ensure!(has_stored == self.bench.has(Need::Nvme), "{check:?}");
        Ok(())
    }

    /// The guest ends, and what comes next is under way.
    fn end(&mut self, end: End) -> Result<()> {
        let partition = name("beta")?;
        let watch = &mut self.watch;
        let filled = BETA.left(&mut self.emulator, |message| watch.take(message))?;
        ensure!(
            end == End::Load || filled >= FILLED_BYTES,
            "{filled} bytes are filled"
        );
        match end {
            End::Reboot | End::Crash | End::PowerOff => {}
            End::Hang => {
                self.emulator.wait_for_text("Kernel panic", LIMIT)?;
                let left = self.count_words()?;
                ensure!(left.is_none_or(|left| left >= FILLED_BYTES / 8), "{left:?}");
            }
            End::Load => {
                self.await_words()?;
                self.slow_down(READS_A_SECOND)?;
            }
        }
        if end.cause() == "administrator" {
            let manner = StopManner::Forced;
            self.channel.order(&Request::Stop { partition, manner })?;
        }
        let watch = &mut self.watch;
        BETA.stopped(&mut self.emulator, end.cause(), |message| {
            watch.take(message)
        })?;
        if end.cause() == "reboot" {
            return Ok(());
        }
        let left = self.count_words()?;
        ensure!(left.is_none_or(|left| left == 0), "{left:?} words are left");
        if end == End::Load {
            self.slow_down(0)?;
        }
        self.channel.order(&Request::Start { partition })
    }

    /// How often the word is in the partition's memory, if that can be seen.
    fn count_words(&mut self) -> Result<Option<u64>> {
        if !self.bench.has(Need::Monitor) {
            return Ok(None);
        }
        outside::count_words(self.bench, &mut self.emulator, (START, BYTES), WORD).map(Some)
    }

    /// Looks until the function has put words into the memory.
    fn await_words(&mut self) -> Result<()> {
        let end = Instant::now().checked_add(LIMIT);
        while end.is_some_and(|end| Instant::now() < end) {
            if self.count_words()?.is_none_or(|count| count > 0) {
                return Ok(());
            }
        }
        bail!("nothing is read within {LIMIT:?}")
    }

    /// Holds `beta`'s disk to so many transfers a second; 0 lets it go.
    fn slow_down(&mut self, transfers_a_second: u32) -> Result<()> {
        outside::slow_down(&mut self.emulator, "d2", transfers_a_second)
    }

    /// The neighbour still works, and nothing was wrong all the while.
    fn ensure_undisturbed(&mut self) -> Result<()> {
        let watch = &mut self.watch;
        let last = watch.steady.reports.saturating_add(2);
        self.emulator
            .wait_for("report of alpha", LIMIT, |message| {
                watch.take(message);
                (watch.steady.reports >= last).then_some(())
            })?;
        ensure!(watch.wrong.is_empty(), "{:?}", watch.wrong);
        Ok(())
    }
}
