//! A guest that ends is followed by a new one where the plan says so: it finds nothing of the
//! one before, neither in memory nor in registers, and its neighbour notices nothing.

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Event, Message, Need};

use crate::outside;
use crate::plans::{ALPHA_START, BETA_START, Guest, MEBIBYTES, start};
use crate::transcript::LIMIT;

/// What the guests fill memory with is made of this.
const PATTERN: u64 = 0x0bad_5eed_c0de_f00d;
/// The word that they make of it.
const WORD: u64 = PATTERN.rotate_left(7) ^ 0x100_0000;

/// The guest asks for a reset.
pub fn by_reset(bench: &Bench) -> Result<()> {
    begins_anew(bench, relic("reset"), "reboot")
}

/// The guest ends by a fault, and the plan wants it to be restarted then, too.
pub fn by_triple_fault(bench: &Bench) -> Result<()> {
    begins_anew(
        bench,
        relic("triple").with_restart_after_faults(1),
        "triple fault",
    )
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

fn relic(end: &str) -> Guest {
    let guest = Guest::alpha("relic").with_argument(&format!("pattern={PATTERN:#x}"));
    guest.with_argument(&format!("end={end}"))
}

/// `alpha` leaves what it can and ends by `cause`; the next guest finds nothing of it. Seen from
/// outside, where that can be seen, `beta` has filled its memory with the same, and keeps it:
/// this is how the search is known to work.
fn begins_anew(bench: &Bench, alpha: Guest, cause: &str) -> Result<()> {
    let beta = Guest::beta("relic").with_argument(&format!("pattern={PATTERN:#x} end=never"));
    let mut emulator = start(bench, &[alpha, beta])?;
    let ended = emulator.wait_for_event("end of alpha", LIMIT, |event| match event {
        Event::Stopped { name, cause, .. } if name == "alpha" => Some(cause.clone()),
        _ => None,
    })?;
    ensure!(ended == cause, "alpha ended by {ended}, not by {cause}");
    emulator.wait_for_event("new start of alpha", LIMIT, |event| {
        matches!(event, Event::Started { name } if name == "alpha").then_some(())
    })?;
    let said = emulator.wait_for("what the new guest found", LIMIT, |message| match message {
        Message::Console { partition, text } if partition == "alpha" => Some(text.clone()),
        _ => None,
    })?;
    ensure!(said == "clean", "the new guest says: {said}");
    if !bench.has(Need::Monitor) {
        return Ok(());
    }
    let found = count_words(bench, &mut emulator, ALPHA_START)?;
    ensure!(found == 0, "{found} words of the old guest are left");
    let kept = count_words(bench, &mut emulator, BETA_START)?;
    ensure!(kept > 0, "the neighbour's memory is not as it left it");
    Ok(())
}

/// How often the word is in the partition's memory that starts at `start`.
fn count_words(bench: &Bench, emulator: &mut Emulator, start: u64) -> Result<usize> {
    let bytes = MEBIBYTES << 20;
    let memory = outside::memory(bench, emulator, start, bytes)?;
    let (words, _) = memory.as_chunks::<8>();
    ensure!(
        words.iter().any(|word| *word != [0; 8]),
        "no guest is there"
    );
    let count = words
        .iter()
        .filter(|word| u64::from_le_bytes(**word) == WORD);
    Ok(count.count())
}
