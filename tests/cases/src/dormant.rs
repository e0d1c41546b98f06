//! The dormant hypervisor: what running guests do not need of Bulkhead is overwritten, and they
//! work on. An exit that would need it is noticed.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use harness::{Bench, Channel, Emulator, Message, Need, Platform};
use mgmt_proto::{Answer, Error, ExitCounts, Request, State, StopCause, StopManner};
use vdev::exit_reason::ExitReason;

use crate::managed::{deadline, expect, name, summary};
use crate::plans::{self, Guest, with_management};
use crate::transcript::{LIMIT, Transcript};

/// How the record of an exit that nobody answers begins.
const NOTICED: &str = "crash: sealed text executed at ";
/// The fewest interrupts between two cores in a case's time, however busy the host is.
const FEWEST_INTERRUPTS: u64 = 10;

/// One core with its timer and a virtual function, two cores with interrupts to one another as
/// well: both work on to their end, and make no other exits.
pub fn guests_go_on(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("dormant").with_argument(cpuid_where_answered(bench));
    let mut emulator = start(bench, [alpha, Guest::beta("dormant")])?;
    let mut channel = emulator.channel()?;
    let (overwritten, text) = seal(&mut channel)?;
    ensure!(overwritten > text / 2, "only {overwritten} of {text} bytes");
    let before = [exits(&mut channel, "alpha")?, exits(&mut channel, "beta")?];
    let transcript = Transcript::to_the_end(&mut emulator)?;
    for partition in ["alpha", "beta"] {
        transcript.ensure_stop(partition, "triple fault")?;
    }
    let [alpha, beta] = before;
    let alpha = since(&alpha, &exits(&mut channel, "alpha")?);
    let answered: &[_] = if answers_cpuid(bench) {
        &["cpuid"]
    } else {
        &[]
    };
    ensure_only(&alpha, &["shutdown"], answered)?;
    let beta = since(&beta, &exits(&mut channel, "beta")?);
    // At the end of the first core the second one is kicked.
    ensure_only(&beta, &["shutdown", "nmi", "init"], &["icr-write"])?;
    let sent = beta.get("icr-write").copied().unwrap_or(0);
    ensure!(sent >= FEWEST_INTERRUPTS, "beta has sent {sent} interrupts");
    Ok(())
}

/// A guest that makes an exit of another kind stops its core, with a record that says so; its
/// neighbour works on to its end.
pub fn exit_is_noticed(bench: &Bench) -> Result<()> {
    let end = if answers_cpuid(bench) {
        "end=msr"
    } else {
        "end=cpuid"
    };
    let alpha = Guest::alpha("dormant").with_argument("seconds=4");
    let mut emulator = start(bench, [alpha.with_argument(end), Guest::beta("dormant")])?;
    let mut channel = emulator.channel()?;
    seal(&mut channel)?;
    let record = emulator.wait_for("the record", LIMIT, |message| match message {
        Message::Text(text) => text.strip_prefix(NOTICED).map(str::to_owned),
        _ => None,
    })?;
    ensure!(record.contains(" on core 1"), "{record}");
    expect(&mut channel, State::Stopped, Some(StopCause::TripleFault))
}

/// A sealed machine stops a guest, and starts none.
pub fn starts_are_refused(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("dormant").with_argument("seconds=600");
    let beta = Guest::beta("dormant").with_restart_after_faults(5);
    let mut emulator = start(bench, [alpha, beta])?;
    let mut channel = emulator.channel()?;
    let first = seal(&mut channel)?;
    ensure!(first == seal(&mut channel)?, "it was sealed anew");
    let partition = name("alpha")?;
    let manner = StopManner::Forced;
    ensure_refused(&mut channel, &Request::Restart { partition, manner })?;
    let state = summary(&mut channel, "alpha")?.state;
    ensure!(state == State::Running, "alpha is {state}");
    channel.order(&Request::Stop { partition, manner })?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_stop("alpha", "administrator")?;
    transcript.ensure_stop("beta", "triple fault")?;
    ensure_refused(&mut channel, &Request::Start { partition })
}

fn ensure_refused(channel: &mut Channel, request: &Request<'_>) -> Result<()> {
    let reply = channel.ask(request)?;
    let answer = reply.answer();
    ensure!(answer == Answer::Error(Error::Sealed), "{answer:?}");
    Ok(())
}

/// Starts both guests, each with a function where there are any, and waits until they work.
fn start(bench: &Bench, [alpha, beta]: [Guest; 2]) -> Result<Emulator> {
    let (machine, guests) = if bench.has(Need::Nvme) {
        let guests = [
            alpha.with_virtual_function(1).with_argument("namespace=2"),
            beta.with_virtual_function(2).with_argument("namespace=3"),
        ];
        (bench.machine_with_nvme()?, guests)
    } else {
        (bench.machine(), [alpha, beta])
    };
    let plan = with_management(&plans::source(&machine, &guests), "0x2f8");
    let mut emulator = bench.start(&machine, &plan)?;
    let mut working = 0_u32;
    emulator.wait_for("both guests", LIMIT, |message| {
        if matches!(message, Message::Console { text, .. } if text == "works") {
            working = working.saturating_add(1);
        }
        (working == 2).then_some(())
    })?;
    Ok(emulator)
}

/// Seals the machine; the bytes that are overwritten, of how many. A core that the emulator leaves
/// without time for too long does not come: then it is tried again.
fn seal(channel: &mut Channel) -> Result<(u64, u64)> {
    let end = deadline();
    loop {
        match channel.ask(&Request::Seal)?.answer() {
            Answer::Sealed(extent) => return Ok((extent.overwritten_bytes, extent.text_bytes)),
            Answer::Error(Error::Busy) if Instant::now() < end => {}
            other => bail!("{other:?}"),
        }
    }
}

/// Whether the platform's processors always exit for CPUID.
fn answers_cpuid(bench: &Bench) -> bool {
    matches!(bench.platform, Platform::Bochs(_))
}

fn cpuid_where_answered(bench: &Bench) -> &'static str {
    if answers_cpuid(bench) {
        "cpuid=1"
    } else {
        "cpuid=0"
    }
}

fn exits(channel: &mut Channel, partition: &str) -> Result<ExitCounts> {
    let reply = channel.ask(&Request::Counters { from: 0 })?;
    let Answer::Counters(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let found = page.items.iter().find(|one| one.name == *partition);
    let found = found.with_context(|| format!("{partition} is not listed"))?;
    Ok(found.exits)
}

/// What has come between the two, without the reasons for which there was nothing.
fn since(before: &ExitCounts, after: &ExitCounts) -> BTreeMap<&'static str, u64> {
    let counts = ExitReason::ALL.into_iter().map(|reason| {
        let count = after.of(reason).saturating_sub(before.of(reason));
        (reason.name(), count)
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

/// There were exits for each of `many`, and but for those at most one for each of `once`.
fn ensure_only(exits: &BTreeMap<&str, u64>, once: &[&str], many: &[&str]) -> Result<()> {
    let mut all = exits.iter();
    let is_allowed = |(reason, count): (&&str, &u64)| {
        many.contains(reason) || once.contains(reason) && *count == 1
    };
    ensure!(all.all(is_allowed), "{exits:?}");
    ensure!(many.iter().all(|one| exits.contains_key(one)), "{exits:?}");
    Ok(())
}
