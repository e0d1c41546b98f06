//! However a guest ends, the next one in its partition works and finds nothing of it, neither
//! in memory nor in registers, and its neighbour notices nothing.
//!
//! The guest fills all of its memory before it ends, and the next one searches all of it. Where
//! that can be seen, the harness looks from outside, too: while the partition is stopped, and
//! at the neighbour, which has filled its memory with the same and keeps it. This is how the
//! search is known to work.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use harness::{Bench, Check, Emulator, Event, Message, Need};
use mgmt_proto::{Request, StopManner};

use crate::life::{WORD, number, pattern};
use crate::managed::name;
use crate::outside;
use crate::plans::{ALPHA_START, BETA_START, Guest, MEBIBYTES, start, start_managed};
use crate::transcript::LIMIT;

/// What of its memory a guest neither fills nor searches, at most: its image, and what firmware
/// has on a PC.
const OWN_BYTES: u64 = 2 << 20;
/// All of a partition's memory.
const BYTES: u64 = MEBIBYTES << 20;

/// The guest asks for a reset.
pub fn by_reset(bench: &Bench) -> Result<()> {
    begins_anew(bench, relic("reset").without_restart(), "reboot")
}

/// The guest switches itself off.
pub fn by_poweroff(bench: &Bench) -> Result<()> {
    begins_anew(bench, relic("off"), "poweroff")
}

/// The guest ends by a fault.
pub fn by_triple_fault(bench: &Bench) -> Result<()> {
    begins_anew(bench, relic("triple"), "triple fault")
}

/// Both cores halt with interrupts off, and the administrator ends that.
pub fn by_force(bench: &Bench) -> Result<()> {
    begins_anew(bench, relic("halt"), "administrator")
}

/// The plan's default restarts the partition of a guest that asks for a reset.
pub fn by_itself_after_reset(bench: &Bench) -> Result<()> {
    begins_by_itself(bench, relic("reset"), "reboot")
}

/// The plan wants the guest to be restarted after a fault, too.
pub fn by_itself_after_fault(bench: &Bench) -> Result<()> {
    let alpha = relic("triple").with_restart_after_faults(1);
    begins_by_itself(bench, alpha, "triple fault")
}

/// A guest that fails again and again is not restarted for ever.
pub fn as_often_as_the_plan_allows(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("triple-fault").with_restart_after_faults(2);
    let mut emulator = start(bench, &[alpha])?;
    let (mut starts, mut stops) = (1_u32, 0_u32);
    emulator.wait_for("the end of it", LIMIT, |message| {
        match message {
            Message::Event(Event::Started { .. }) => starts = starts.wrapping_add(1),
            Message::Event(Event::Stopped { .. }) => stops = stops.wrapping_add(1),
            _ => {}
        }
        (*message == Message::Event(Event::Halted)).then_some(())
    })?;
    ensure!((starts, stops) == (3, 3), "{starts} starts, {stops} stops");
    Ok(())
}

/// A guest that is denied more than the plan lets pass is ended, and restarted as after a fault;
/// one that stays within the limit is not, and the limit is each guest's anew.
pub fn by_denied_accesses(bench: &Bench) -> Result<()> {
    const LIMIT_OF_BOTH: u32 = 100;
    let within = Guest::alpha("denied").with_argument("count=100 lives=2");
    let beyond = Guest::beta("denied").with_argument("count=101");
    let guests = [within, beyond].map(|guest| guest.with_denied_limit(LIMIT_OF_BOTH, 1));
    let mut emulator = start(bench, &guests)?;
    let (mut alpha, mut beta) = (Vec::new(), Vec::new());
    let mut survives = false;
    emulator.wait_for("the second end of beta", LIMIT, |message| {
        match message {
            Message::Event(Event::Stopped { name, cause, .. }) => match name.as_str() {
                "alpha" => alpha.push(cause.clone()),
                _ => beta.push(cause.clone()),
            },
            Message::Console { partition, text } => {
                survives |= partition == "alpha" && text == "was denied 100 accesses";
            }
            _ => {}
        }
        (beta.len() == 2).then_some(())
    })?;
    ensure!(beta == ["denied access policy"; 2], "beta: {beta:?}");
    ensure!(alpha == ["reboot"], "alpha: {alpha:?}");
    ensure!(survives, "alpha did not come to its second end");
    Ok(())
}

/// `alpha`, on two cores: its first guest ends as told, the next one stays.
fn relic(end: &str) -> Guest {
    Guest::alpha("relic")
        .with_cores(&[1, 2])
        .with_argument(&format!("{} ends={end},rest", pattern()))
}

fn neighbour() -> Guest {
    Guest::beta("relic")
        .with_cores(&[3])
        .with_argument(&format!("{} ends=spin", pattern()))
}

/// What the guests and Bulkhead have said, in whatever order: the two guests are not in step.
#[derive(Debug, Default)]
struct Seen {
    /// The bytes that guests have filled.
    filled: BTreeMap<String, u64>,
    /// Why `alpha` ended.
    ended: Option<String>,
    /// Whether it was started again.
    is_started: bool,
    /// The bytes that its second guest has searched.
    searched: Option<u64>,
    /// What a guest complains of.
    wrong: Option<String>,
}

impl Seen {
    fn take(&mut self, message: &Message) {
        match message {
            Message::Check { partition, check } => self.take_report(partition, check),
            Message::Console { text, .. } if text.starts_with("FAIL") => {
                self.wrong = Some(text.clone());
            }
            Message::Event(Event::Stopped { name, cause, .. }) if name == "alpha" => {
                self.ended = Some(cause.clone());
            }
            Message::Event(Event::Started { name }) if name == "alpha" => self.is_started = true,
            _ => {}
        }
    }

    fn take_report(&mut self, partition: &str, check: &Check) {
        if let Ok(bytes) = number(check, "filled_bytes") {
            self.filled.insert(partition.to_owned(), bytes);
        }
        if partition == "alpha" && number(check, "life").is_ok_and(|life| life == 2) {
            self.searched = number(check, "searched_bytes").ok();
        }
    }

    /// Listens until `holds`.
    fn until(
        &mut self,
        emulator: &mut Emulator,
        what: &str,
        holds: fn(&Self) -> bool,
    ) -> Result<()> {
        if !holds(self) {
            emulator.wait_for(what, LIMIT, |message| {
                self.take(message);
                (holds(self) || self.wrong.is_some()).then_some(())
            })?;
        }
        ensure!(self.wrong.is_none(), "{:?}", self.wrong);
        Ok(())
    }
}

/// The partition stops, is looked at and is started by the administrator.
fn begins_anew(bench: &Bench, alpha: Guest, cause: &str) -> Result<()> {
    let mut emulator = start_managed(bench, &[alpha, neighbour()])?;
    let mut channel = emulator.channel()?;
    let mut seen = Seen::default();
    let partition = name("alpha")?;
    ensure_filled(&mut emulator, &mut seen)?;
    if cause == "administrator" {
        let manner = StopManner::Forced;
        channel.order(&Request::Stop { partition, manner })?;
    }
    ensure_ended(&mut emulator, &mut seen, cause)?;
    ensure_gone(bench, &mut emulator)?;
    channel.order(&Request::Start { partition })?;
    ensure_searched(&mut emulator, &mut seen)
}

/// The partition starts without anybody's help.
fn begins_by_itself(bench: &Bench, alpha: Guest, cause: &str) -> Result<()> {
    let mut emulator = start(bench, &[alpha, neighbour()])?;
    let mut seen = Seen::default();
    ensure_filled(&mut emulator, &mut seen)?;
    ensure_ended(&mut emulator, &mut seen, cause)?;
    seen.until(&mut emulator, "new start of alpha", |seen| seen.is_started)?;
    ensure_searched(&mut emulator, &mut seen)?;
    ensure_gone(bench, &mut emulator)
}

/// Both guests have begun with clear memory and filled it.
fn ensure_filled(emulator: &mut Emulator, seen: &mut Seen) -> Result<()> {
    seen.until(emulator, "memory filled by both", |seen| {
        seen.filled.len() == 2
    })?;
    let filled = seen.filled.values();
    let is_enough = { filled }.all(|bytes| *bytes >= BYTES.saturating_sub(OWN_BYTES));
    ensure!(is_enough, "bytes filled: {:?}", seen.filled);
    Ok(())
}

fn ensure_ended(emulator: &mut Emulator, seen: &mut Seen, cause: &str) -> Result<()> {
    seen.until(emulator, "end of alpha", |seen| seen.ended.is_some())?;
    let ended = seen.ended.as_deref();
    ensure!(
        ended == Some(cause),
        "alpha ended by {ended:?}, not {cause}"
    );
    Ok(())
}

/// Nothing of what `alpha`'s first guest has left is seen from outside, and the neighbour's
/// memory is full of it.
fn ensure_gone(bench: &Bench, emulator: &mut Emulator) -> Result<()> {
    if !bench.has(Need::Monitor) {
        return Ok(());
    }
    let found = count_words(bench, emulator, ALPHA_START)?;
    ensure!(found == 0, "{found} words of the old guest are left");
    let kept = count_words(bench, emulator, BETA_START)?;
    let least = BYTES.saturating_sub(OWN_BYTES) / 8;
    ensure!(kept >= least, "the neighbour has {kept} of its words");
    Ok(())
}

/// The next guest works and has found nothing in all of its memory.
fn ensure_searched(emulator: &mut Emulator, seen: &mut Seen) -> Result<()> {
    seen.until(emulator, "search by the next guest", |seen| {
        seen.searched.is_some()
    })?;
    let least = BYTES.saturating_sub(OWN_BYTES);
    ensure!(
        seen.searched >= Some(least),
        "bytes searched: {:?}",
        seen.searched
    );
    Ok(())
}

/// How often the word is in the partition's memory that starts at `start`.
fn count_words(bench: &Bench, emulator: &mut Emulator, start: u64) -> Result<u64> {
    outside::count_words(bench, emulator, (start, BYTES), WORD)
}
