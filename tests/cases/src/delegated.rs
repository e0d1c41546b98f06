//! A partition manages those that the plan lets it, by memory that it shares with Bulkhead, and
//! nobody else.

use anyhow::{Result, bail, ensure};
use harness::{Bench, Channel, Emulator, Message};
use mgmt_proto::{Answer, EventKind, Request, State, StopCause};

use crate::managed::{name, summary};
use crate::plans::{GAMMA_START, Guest, start_managed};
use crate::transcript::{LIMIT, Transcript};

/// What `manager` asks that it may not.
const REFUSED: u64 = 6;
/// How many questions are asked while the channel of a partition is scribbled over.
const QUESTIONS: u32 = 100;

/// Alpha, which may control beta, stops it, starts it and starts it anew, without one exit of
/// its own; what it may not it is refused, and gamma does not exist for it. An earlier guest of
/// alpha's has left in the middle of a conversation. Gamma, without rights, has no function to
/// ask by.
pub fn manages_whom_it_may(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("manager").with_argument("lives=2");
    let guests = [
        alpha.with_rights(&["alpha"], &["beta"]),
        Guest::beta("halted").with_cores(&[2]),
        Guest::named("gamma", "powerless", &[3], GAMMA_START),
    ];
    let mut emulator = start_managed(bench, &guests)?;
    wait_for_ends(&mut emulator)?;
    let mut channel = emulator.channel()?;
    check_beta(&mut channel)?;
    let reply = channel.ask(&Request::Counters { from: 0 })?;
    let Answer::Counters(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let denied: Vec<_> = page.items.iter().map(|one| one.denied).collect();
    ensure!(denied == [REFUSED, 0, 0], "denied were {denied:?}");
    Ok(())
}

/// Waits until alpha, in its second life, and gamma have told how it went.
fn wait_for_ends(emulator: &mut Emulator) -> Result<()> {
    let mut told = Vec::new();
    emulator.wait_for("alpha's and gamma's ends", LIMIT, |message| {
        if let Message::Console { partition, text } = message
            && partition != "beta"
        {
            told.push(format!("{partition}: {text}"));
        }
        let ends = told.iter().filter(|line| {
            let (_, text) = line.split_once(": ").unwrap_or_default();
            text.starts_with("PASS") || text.starts_with("FAIL")
        });
        (ends.count() == 2).then_some(())
    })?;
    for line in [
        "alpha: leaves",
        "alpha: managed true",
        "alpha: PASS manager",
        "gamma: PASS powerless",
    ] {
        ensure!(
            told.iter().any(|one| one == line),
            "no `{line}` in {told:?}"
        );
    }
    Ok(())
}

/// Beta has been stopped twice and started twice, as the administrator sees it.
fn check_beta(channel: &mut Channel) -> Result<()> {
    let found = summary(channel, "beta")?;
    ensure!(
        (found.state, found.restarts) == (State::Running, 2),
        "{found:?}"
    );
    let beta = name("beta")?;
    let reply = channel.ask(&Request::Events { from: 0 })?;
    let Answer::Events(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let stops = page.items.iter().filter_map(|event| match event.kind {
        EventKind::Entered {
            partition,
            state: State::Stopped,
            cause,
        } if partition == beta => cause,
        _ => None,
    });
    let stops: Vec<_> = stops.collect();
    ensure!(stops == [StopCause::Administrator; 2], "{stops:?}");
    Ok(())
}

/// Alpha scribbles over its channel without end; the administrator's channel answers, the
/// neighbour notices nothing and makes the exits that it always makes, and what alpha asks
/// properly afterwards is answered.
pub fn scribbles_in_vain(bench: &Bench) -> Result<()> {
    let neighbour = || Guest::beta("bystander").with_argument("seconds=1");
    let mut emulator = start_managed(bench, &[Guest::alpha("spin"), neighbour()])?;
    let expected = Transcript::until_stop(&mut emulator, "beta")?;
    expected.ensure_passed("beta", "bystander")?;
    drop(emulator);
    let alpha = Guest::alpha("scribbler").with_argument("seconds=2");
    let alpha = alpha.with_rights(&["beta"], &[]);
    let mut emulator = start_managed(bench, &[alpha, neighbour()])?;
    emulator.wait_for_text("scribbles", LIMIT)?;
    let mut channel = emulator.channel()?;
    for _ in 0..QUESTIONS {
        channel.ask(&Request::List { from: 0 })?;
    }
    let found = Transcript::to_the_end(&mut emulator)?;
    found.ensure_passed("alpha", "scribbler")?;
    found.ensure_passed("beta", "bystander")?;
    // Writes to the page that is Bulkhead's.
    found.ensure_denied_at_least("alpha", 10)?;
    found.ensure_denied("beta", 0)?;
    for reason in ["port-io", "msr-write", "msr-read"] {
        let counts = (
            expected.exits("beta", reason)?,
            found.exits("beta", reason)?,
        );
        ensure!(counts.0 == counts.1, "{reason}: {counts:?}");
    }
    let counted = channel.ask(&Request::Channel)?;
    let Answer::Channel(counted) = counted.answer() else {
        bail!("{:?}", counted.answer());
    };
    let noise = counted.dropped.total();
    ensure!(noise == 0, "{noise} of it came by the administrator's line");
    Ok(())
}
