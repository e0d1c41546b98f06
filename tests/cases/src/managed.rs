//! An administrator on the management channel sees and controls every partition without
//! touching the others.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::{Bench, Channel, Message};
use mgmt_proto::{Answer, EventKind, Name, Request, State, StopCause, StopManner, Summary};

use crate::plans::{Guest, start_managed};
use crate::transcript::LIMIT;

/// A partition that stands still with all cores halted and interrupts off is listed, stopped,
/// started and restarted; its neighbour, which listens, makes not one exit meanwhile.
pub fn partition_without_the_others(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("bystander").with_argument("seconds=600");
    let mut emulator = start_managed(bench, &[alpha, Guest::beta("halted")])?;
    let mut ready = 0_u32;
    emulator.wait_for("both guests", LIMIT, |message| {
        if let Message::Console { text, .. } = message
            && matches!(text.as_str(), "listening" | "halts")
        {
            ready = ready.saturating_add(1);
        }
        (ready == 2).then_some(())
    })?;
    let mut channel = emulator.channel()?;
    let exits = exits(&mut channel, "alpha")?;
    let beta = name("beta")?;
    expect(&mut channel, State::Running, None)?;
    channel.order(&Request::Stop {
        partition: beta,
        manner: StopManner::Forced,
    })?;
    expect(&mut channel, State::Stopped, Some(StopCause::Administrator))?;
    channel.order(&Request::Start { partition: beta })?;
    emulator.wait_for_text("halts", LIMIT)?;
    expect(&mut channel, State::Running, Some(StopCause::Administrator))?;
    channel.order(&Request::Restart {
        partition: beta,
        manner: StopManner::Forced,
    })?;
    emulator.wait_for_text("halts", LIMIT)?;
    ensure!(summary(&mut channel, "beta")?.restarts == 2, "not twice");
    let after = self::exits(&mut channel, "alpha")?;
    ensure!(after == exits, "{exits} exits became {after}");
    check_events(&mut channel)
}

/// What happened to beta is told in order: its first start, and two rounds of a stop and a
/// start.
pub fn check_events(channel: &mut Channel) -> Result<()> {
    let beta = name("beta")?;
    let reply = channel.ask(&Request::Events { from: 0 })?;
    let Answer::Events(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let states: Vec<_> = page
        .items
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Entered {
                partition, state, ..
            } if partition == beta => Some(state),
            _ => None,
        })
        .collect();
    let stop_and_start = [
        State::Stopping,
        State::Stopped,
        State::Starting,
        State::Running,
    ];
    let mut expected = vec![State::Running];
    expected.extend(stop_and_start.repeat(2));
    ensure!(states == expected, "{states:?}");
    Ok(())
}

/// A guest that has switched itself off is started by the administrator, and is asked to stop
/// politely in vain: it goes on.
pub fn guest_that_is_off_starts_again(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("spin"), Guest::beta("hello")];
    let mut emulator = start_managed(bench, &guests)?;
    emulator.wait_for_text("PASS hello", LIMIT)?;
    let mut channel = emulator.channel()?;
    let partition = name("beta")?;
    expect(&mut channel, State::Stopped, Some(StopCause::PowerOff))?;
    channel.order(&Request::Start { partition })?;
    emulator.wait_for_text("PASS hello", LIMIT)?;
    let polite = Request::Stop {
        partition: name("alpha")?,
        manner: StopManner::Asked {
            timeout_milliseconds: 1,
        },
    };
    let reply = channel.ask(&polite)?;
    let refused = Answer::Error(mgmt_proto::Error::Unsupported);
    ensure!(reply.answer() == refused, "{:?}", reply.answer());
    let state = summary(&mut channel, "alpha")?.state;
    ensure!(state == State::Running, "alpha is {state}");
    Ok(())
}

/// What a guest has printed is read, and what is typed reaches it, in both cases through the
/// channel alone.
pub fn console_in_both_directions(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("echo"), Guest::beta("spin")];
    let emulator = start_managed(bench, &guests)?;
    let mut channel = emulator.channel()?;
    let mut console = Console::default();
    console.read_up_to(&mut channel, "type\r\n")?;
    type_all(&mut channel, b"ls -l\n")?;
    let said = console.read_up_to(&mut channel, "typed: ls -l\r\n")?;
    ensure!(said == "typed: ls -l\r\n", "{said}");
    // More than the guest's 16550 holds at once, so that some of it may find no room at first.
    let lines: Vec<_> = (0..50_u32).map(|number| format!("line {number}")).collect();
    type_all(&mut channel, (lines.join("\n") + "\nend\n").as_bytes())?;
    let said = console.read_up_to(&mut channel, "PASS echo\r\n")?;
    let echoes = lines.iter().map(|line| format!("typed: {line}\r\n"));
    let expected = echoes.collect::<String>() + "typed: end\r\nPASS echo\r\n";
    ensure!(said == expected, "{said}");
    Ok(())
}

/// Types at alpha until all of `bytes` has found room.
pub fn type_all(channel: &mut Channel, bytes: &[u8]) -> Result<()> {
    let partition = name("alpha")?;
    let mut rest = bytes;
    let end = deadline();
    while !rest.is_empty() {
        let reply = channel.ask(&Request::ConsoleWrite {
            partition,
            bytes: rest,
        })?;
        let Answer::Taken { bytes } = reply.answer() else {
            bail!("{:?}", reply.answer());
        };
        let taken = usize::try_from(bytes)?;
        rest = rest.get(taken..).context("more was taken than was typed")?;
        ensure!(Instant::now() < end, "{} bytes find no room", rest.len());
    }
    Ok(())
}

/// Alpha's console, as far as it was read.
#[derive(Default)]
pub struct Console {
    position: u64,
    unread: String,
}

impl Console {
    /// Reads until `text` has come: everything up to its end.
    pub fn read_up_to(&mut self, channel: &mut Channel, text: &str) -> Result<String> {
        let partition = name("alpha")?;
        let end = deadline();
        loop {
            if let Some((said, rest)) = self.unread.split_once(text) {
                let said = format!("{said}{text}");
                self.unread = rest.to_owned();
                return Ok(said);
            }
            ensure!(Instant::now() < end, "no `{text}` in `{}`", self.unread);
            let from = self.position;
            let reply = channel.ask(&Request::ConsoleRead { partition, from })?;
            let Answer::Bytes(bytes) = reply.answer() else {
                bail!("{:?}", reply.answer());
            };
            ensure!(bytes.first == from, "some of it was lost");
            self.unread.push_str(&String::from_utf8_lossy(bytes.bytes));
            let count = u64::try_from(bytes.bytes.len())?;
            self.position = from.saturating_add(count);
        }
    }
}

/// When what takes longest should have happened.
pub fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(LIMIT.saturating_mul(4)).unwrap_or(now)
}

/// A partition's name.
pub fn name(text: &str) -> Result<Name> {
    Name::new(text).with_context(|| format!("{text} is no name"))
}

/// Waits until beta is in this state, for this reason.
pub fn expect(channel: &mut Channel, state: State, cause: Option<StopCause>) -> Result<()> {
    let end = deadline();
    loop {
        let found = summary(channel, "beta")?;
        if found.state == state {
            ensure!(found.last_stop == cause, "{:?}", found.last_stop);
            return Ok(());
        }
        ensure!(Instant::now() < end, "beta is {}", found.state);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the list says of a partition.
pub fn summary(channel: &mut Channel, partition: &str) -> Result<Summary> {
    let reply = channel.ask(&Request::List { from: 0 })?;
    let Answer::Partitions(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let found = page.items.iter().find(|one| one.name == *partition);
    found.with_context(|| format!("{partition} is not listed"))
}

/// How many exits a partition has made so far.
pub fn exits(channel: &mut Channel, partition: &str) -> Result<u64> {
    let reply = channel.ask(&Request::Counters { from: 0 })?;
    let Answer::Counters(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let found = page.items.iter().find(|one| one.name == *partition);
    let found = found.with_context(|| format!("{partition} is not listed"))?;
    Ok(found.exits.total())
}
