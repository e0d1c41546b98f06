//! A guest is asked to switch itself off by the power button that its ACPI tables tell of, and
//! is forced when its time is over; what it sets the button's interrupt to reaches nobody else.

use anyhow::{Result, bail, ensure};
use harness::{Bench, Channel, Message};
use mgmt_proto::{Answer, Error, Request, State, StopCause, StopManner};

use crate::managed::{self, exits, name, summary};
use crate::plans::{Guest, start_managed};
use crate::transcript::{LIMIT, Transcript};

/// Far longer than a guest takes that does as it is asked.
const PATIENTLY: StopManner = StopManner::Asked {
    timeout_milliseconds: 600_000,
};
/// The cores of `beta`, and the housekeeping core.
const FOREIGN: &str = "foreign=0,2,3";

/// A guest stops, and starts anew, when it is asked, with no exit but the one that powers it
/// off; its neighbour makes none at all.
pub fn guest_stops_when_asked(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("bystander").with_argument("seconds=600");
    let mut emulator = start_managed(bench, &[alpha, Guest::beta("power-button")])?;
    let mut ready = 0_u32;
    emulator.wait_for("both guests", LIMIT, |message| {
        if let Message::Console { text, .. } = message
            && matches!(text.as_str(), "listening" | "waits")
        {
            ready = ready.saturating_add(1);
        }
        (ready == 2).then_some(())
    })?;
    let mut channel = emulator.channel()?;
    let before = exits(&mut channel, "alpha")?;
    let partition = name("beta")?;
    let manner = PATIENTLY;
    channel.order(&Request::Stop { partition, manner })?;
    emulator.wait_for_text("PASS power-button", LIMIT)?;
    managed::expect(&mut channel, State::Stopped, Some(StopCause::PowerOff))?;
    channel.order(&Request::Start { partition })?;
    emulator.wait_for_text("waits", LIMIT)?;
    channel.order(&Request::Restart { partition, manner })?;
    emulator.wait_for_text("PASS power-button", LIMIT)?;
    emulator.wait_for_text("waits", LIMIT)?;
    let restarted = summary(&mut channel, "beta")?;
    ensure!(restarted.state == State::Running, "{:?}", restarted.state);
    ensure!(restarted.restarts == 2, "{} starts", restarted.restarts);
    let after = exits(&mut channel, "alpha")?;
    ensure!(after == before, "{before} exits became {after}");
    managed::check_events(&mut channel)
}

/// A guest that hears the button and goes on is forced when its time is over.
pub fn deaf_guest_is_forced(bench: &Bench) -> Result<()> {
    let beta = Guest::beta("power-button").with_argument("deaf=1");
    let mut emulator = start_managed(bench, &[Guest::alpha("spin"), beta])?;
    emulator.wait_for_text("waits", LIMIT)?;
    let mut channel = emulator.channel()?;
    let partition = name("beta")?;
    let manner = PATIENTLY;
    channel.order(&Request::Stop { partition, manner })?;
    emulator.wait_for_text("is asked, and goes on", LIMIT)?;
    let asked = summary(&mut channel, "beta")?;
    ensure!(asked.state == State::Stopping, "{:?}", asked.state);
    // Asked again, it gets less time.
    let manner = StopManner::Asked {
        timeout_milliseconds: 300,
    };
    channel.order(&Request::Stop { partition, manner })?;
    managed::expect(&mut channel, State::Stopped, Some(StopCause::Administrator))
}

/// No redirection entry leads out of the partition, or to anything but a vector: a guest with
/// such an entry cannot be asked, and nobody notices the attempt.
pub fn no_entry_leads_elsewhere(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("io-apic-forge").with_argument(FOREIGN);
    let beta = Guest::beta("bystander").with_argument("seconds=10");
    let mut emulator = start_managed(bench, &[alpha, beta])?;
    let mut channel = emulator.channel()?;
    let mut forged = 0_u64;
    while next_is_forged(&mut emulator)? {
        refuse_to_ask(&mut channel)?;
        forged = forged.saturating_add(1);
        let partition = name("alpha")?;
        let bytes = b"\n";
        channel.ask(&Request::ConsoleWrite { partition, bytes })?;
    }
    ensure!(forged == 8 + 6 + 16 + 1, "{forged} entries were forged");
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_stop("alpha", "poweroff")?;
    transcript.ensure_denied("alpha", forged)?;
    transcript.ensure_passed("beta", "bystander")?;
    transcript.ensure_denied("beta", 0)
}

/// Waits for the guest's next entry; whether there is one.
fn next_is_forged(emulator: &mut harness::Emulator) -> Result<bool> {
    let said = emulator.wait_for("the next entry", LIMIT, |message| match message {
        Message::Console { text, .. } if text.contains("reads back as") => Some(Ok(true)),
        Message::Console { text, .. } if text == "PASS io-apic-forge" => Some(Ok(false)),
        Message::Console { text, .. } if text.starts_with("FAIL") => Some(Err(text.clone())),
        _ => None,
    })?;
    said.map_err(anyhow::Error::msg)
}

/// The server refuses to ask alpha.
fn refuse_to_ask(channel: &mut Channel) -> Result<()> {
    let partition = name("alpha")?;
    let manner = PATIENTLY;
    let reply = channel.ask(&Request::Stop { partition, manner })?;
    match reply.answer() {
        Answer::Error(Error::Unsupported) => Ok(()),
        other => bail!("{other:?}"),
    }
}
