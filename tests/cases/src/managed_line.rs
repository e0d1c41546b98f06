//! Whatever is on the management channel's line, or is not, Bulkhead and its guests go on, and
//! the next good request is answered.

use anyhow::{Context, Result, bail, ensure};
use harness::message::Message;
use harness::{Bench, Channel, Need};
use mgmt_proto::{Answer, Channel as Counted, Request};

use crate::managed::{exits, name};
use crate::plans::{Guest, source, start_managed, with_management};
use crate::transcript::{LIMIT, Transcript};

/// How many bytes of noise a fast platform takes, and a slow one.
const NOISE_BYTES: [usize; 2] = [100_000, 10_000];
/// How many requests are asked while a guest prints without end, on a fast platform and a slow
/// one.
const QUESTIONS: [u32; 2] = [200, 50];
/// What that guest may have printed meanwhile at most, for each of them: answers come as often
/// as the loop goes round, which does a bounded amount of work each time.
const PRINTED_BYTES: u64 = 1 << 20;
/// How many requests are sent without reading an answer. These are about a kilobyte each: far
/// more together than any socket holds.
const UNREAD: u32 = 2_000;

/// Noise is counted, and the request behind it answered.
pub fn noise_is_passed_over(bench: &Bench) -> Result<()> {
    let emulator = start_managed(bench, &[Guest::alpha("spin")])?;
    let mut channel = emulator.channel()?;
    channel.ask(&Request::Hello)?;
    let [fast, slow] = NOISE_BYTES;
    let noise = noise(if bench.has(Need::Monitor) { fast } else { slow });
    channel.send(&noise)?;
    channel.send(&[0])?;
    let dropped = counters(&mut channel)?.dropped;
    let zeros = noise.iter().filter(|byte| **byte == 0).count();
    let zeros = u64::try_from(zeros)?;
    // What stands between two zeros is dropped once; some zeros stand side by side.
    let few = zeros.saturating_sub(zeros.div_ceil(50));
    ensure!(
        (few..=zeros.saturating_add(1)).contains(&dropped.total()),
        "{zeros} zeros, {dropped:?}"
    );
    ensure!(dropped.wrong_version == 0, "noise had a good CRC");
    Ok(())
}

/// Marsaglia's xorshift32: the same bytes each time.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let [byte, ..] = state.to_le_bytes();
        byte
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A guest that prints at its 16550 without end slows nobody.
pub fn flood_slows_nobody(bench: &Bench) -> Result<()> {
    // On a line that is as fast as the loop all of it may be shown.
    flood_by(bench, Guest::alpha("flood"), !bench.has(Need::Monitor))
}

/// A guest that prints without end on the console without exits slows nobody.
pub fn flood_without_exits_slows_nobody(bench: &Bench) -> Result<()> {
    flood_by(bench, Guest::alpha("flood").with_argument("virtio=1"), true)
}

/// Guests that print nothing but ends of lines, each of which calls the housekeeping core, on all
/// their cores at once: it gets through its loop, and the channel answers.
pub fn flood_of_lines_slows_nobody(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("flood"), Guest::beta("flood")];
    let guests = guests.map(|guest| guest.with_argument("lines=1"));
    let emulator = start_managed(bench, &guests)?;
    let mut channel = emulator.channel()?;
    let [fast, slow] = QUESTIONS;
    let questions = if bench.has(Need::Monitor) { fast } else { slow };
    ask_under_flood(&mut channel, questions)
}

/// The guest that floods loses bytes of its own alone: its neighbour says all that it has to
/// say and makes the exits that it always makes, and the channel answers.
fn flood_by(bench: &Bench, flood: Guest, must_lose: bool) -> Result<()> {
    let calm = [Guest::alpha("spin"), Guest::bystander()];
    let mut emulator = start_managed(bench, &calm)?;
    let expected = Transcript::until_stop(&mut emulator, "beta")?;
    expected.ensure_passed("beta", "bystander")?;
    drop(emulator);
    let flooded = [flood, Guest::bystander()];
    let mut emulator = start_managed(bench, &flooded)?;
    let mut channel = emulator.channel()?;
    let [fast, slow] = QUESTIONS;
    ask_under_flood(
        &mut channel,
        if bench.has(Need::Monitor) { fast } else { slow },
    )?;
    let found = Transcript::until_stop(&mut emulator, "beta")?;
    found.ensure_passed("beta", "bystander")?;
    for reason in ["port-io", "msr-write", "msr-read"] {
        let counts = (
            expected.exits("beta", reason)?,
            found.exits("beta", reason)?,
        );
        ensure!(counts.0 == counts.1, "{reason}: {counts:?}");
    }
    let lost = (lost(&mut channel, "alpha")?, lost(&mut channel, "beta")?);
    ensure!(
        lost.0 > 0 || !must_lose,
        "alpha lost nothing: it was no flood"
    );
    ensure!(lost.1 == 0, "beta lost {} bytes", lost.1);
    Ok(())
}

/// How many bytes of a partition's console were never shown.
fn lost(channel: &mut Channel, partition: &str) -> Result<u64> {
    let reply = channel.ask(&Request::Counters { from: 0 })?;
    let Answer::Counters(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let mut all = page.items.iter();
    let found = all.find(|counters| counters.name == *partition);
    let found = found.with_context(|| format!("{partition} is not counted"))?;
    Ok(found.console_dropped_bytes)
}

/// Asks again and again; the guest that floods gets no more than so much out for each answer.
fn ask_under_flood(channel: &mut Channel, questions: u32) -> Result<()> {
    let partition = name("alpha")?;
    let mut before = None;
    for _ in 0..questions {
        let from = u64::MAX;
        let reply = channel.ask(&Request::ConsoleRead { partition, from })?;
        let Answer::Bytes(bytes) = reply.answer() else {
            bail!("{:?}", reply.answer());
        };
        let printed = bytes.end.saturating_sub(before.unwrap_or(bytes.end));
        ensure!(printed <= PRINTED_BYTES, "{printed} bytes for one answer");
        before = Some(bytes.end);
    }
    Ok(())
}

/// A client that asks and never reads holds nobody up: the guests' consoles go on. When it
/// reads at last, it is answered.
pub fn nobody_reads(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("spin"), Guest::bystander()];
    let mut emulator = start_managed(bench, &guests)?;
    let mut channel = emulator.channel()?;
    channel.ask(&Request::Hello)?;
    for _ in 0..UNREAD {
        channel.post(&Request::Log { from: 0 })?;
    }
    emulator.wait_for("the neighbour's end", LIMIT, |message| match message {
        Message::Console { partition, text } if partition == "beta" => {
            (text == "PASS bystander").then_some(())
        }
        _ => None,
    })?;
    let counted = counters(&mut channel)?;
    ensure!(
        counted.requests >= u64::from(UNREAD),
        "{} requests were answered",
        counted.requests
    );
    ensure!(
        counted.unsent > 0,
        "all answers went out: nothing was shown"
    );
    Ok(())
}

/// With a channel that nobody has connected to, and with one whose line does not exist, guests
/// run and end as without.
pub fn nobody_is_there(bench: &Bench) -> Result<()> {
    for port in ["0x2f8", "0x3e8"] {
        let machine = bench.machine();
        let guests = [Guest::alpha("hello"), Guest::beta("hello")];
        let plan = with_management(&source(&machine, &guests), port);
        let mut emulator = bench.start(&machine, &plan)?;
        let transcript = Transcript::to_the_end(&mut emulator)?;
        for partition in ["alpha", "beta"] {
            transcript.ensure_passed(partition, "hello")?;
        }
        let missing = "no management channel: there is no 16550 at 0x3e8";
        let mut history = emulator.history().iter();
        let is_told = history.any(|line| line.contains(missing));
        ensure!(is_told == (port == "0x3e8"), "{port}: told is {is_told}");
    }
    Ok(())
}

/// The machine is reset at the administrator's wish; QEMU ends then.
pub fn machine_is_reset(bench: &Bench) -> Result<()> {
    let mut emulator = start_managed(bench, &[Guest::alpha("spin")])?;
    let mut channel = emulator.channel()?;
    ensure!(exits(&mut channel, "alpha")? > 0, "alpha has not begun");
    channel.order(&Request::ResetMachine)?;
    let ended = emulator.wait_for_text("nothing that anybody says", LIMIT);
    let why = format!("{:#}", ended.err().unwrap_or_else(|| anyhow::anyhow!("")));
    ensure!(why.contains("status: 0, guest-reset"), "{why}");
    Ok(())
}

/// The channel's own counters.
fn counters(channel: &mut Channel) -> Result<Counted> {
    let reply = channel.ask(&Request::Channel)?;
    match reply.answer() {
        Answer::Channel(counters) => Ok(counters),
        other => bail!("{other:?}"),
    }
}
