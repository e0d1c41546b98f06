//! Manages `beta` by the channel of its partition, which may control `beta` and see itself and
//! no others: stops it and starts it, is refused everything else, and makes no exit meanwhile.
//!
//! Its first life only leaves a question half asked and an answer unread, and resets the
//! machine: the next guest must find none of it.

#![no_std]
#![no_main]

use mgmt_proto::{Answer, Error, Name, Request, State, StopManner};
use test_guests::exits::{Counts, ExitReason};
use test_guests::management::{Client, Shared};
use test_guests::{Failure, Verdict, command_line, ensure, exits, fail, guest, power, say, wait};

guest!(main);

/// How many questions are asked to see that they are no exits.
const QUESTIONS: u32 = 300;
const BETA_FORCED: StopManner = StopManner::Forced;

fn main() -> Verdict {
    let is_first_life = exits::life() == 1;
    let shared = Shared::find()?;
    for offset in (0..shared_ring::PAGE_BYTES).step_by(8) {
        let found = (
            shared.own.read::<u64>(offset),
            shared.bulkheads.read::<u64>(offset),
        );
        ensure!(found == (0, 0), "{found:x?} was there at {offset:#x}");
    }
    let mut client = Client::greet(shared)?;
    if is_first_life && command_line::number("lives") == Some(2) {
        return leave(&mut client);
    }
    see(&mut client)?;
    let before = Counts::read();
    manage(&mut client)?;
    be_refused(&mut client)?;
    for _ in 0..QUESTIONS {
        states(&mut client)?;
    }
    let others = Counts::read().others_since(&before, ExitReason::Cpuid);
    ensure!(others == 0, "managing took {others} exits");
    say!("managed {}", exits::are_counted());
    Ok(())
}

/// Goes in the middle of a conversation: an answer is on its way, and half a question.
fn leave(client: &mut Client) -> Verdict {
    client.post(&Request::List { from: 0 })?;
    client.send(b"\0half a question")?;
    say!("leaves");
    power::reset();
    fail!("the machine was not reset")
}

/// Who there is, and what happened to them: itself and `beta`, as the plan says.
fn see(client: &mut Client) -> Verdict {
    let names = client.ask(&Request::List { from: 0 }, |answer| match answer {
        Answer::Partitions(page) => {
            let mut names = page.items.iter().map(|one| one.name);
            (page.end, [names.next(), names.next(), names.next()])
        }
        _ => (0, [None; 3]),
    })?;
    let expected = (2, [Some(name("alpha")?), Some(name("beta")?), None]);
    ensure!(names == expected, "there are {names:?}");
    let counted = client.ask(&Request::Counters { from: 0 }, |answer| match answer {
        Answer::Counters(page) => page.items.iter().count(),
        _ => 0,
    })?;
    ensure!(counted == 2, "counters of {counted} partitions");
    let foreign = client.ask(&Request::Events { from: 0 }, |answer| match answer {
        Answer::Events(page) => {
            let mut events = page.items.iter();
            let is_known = |text: &str| matches!(text, "alpha" | "beta");
            events.find(|event| {
                event
                    .partition()
                    .is_none_or(|name| !is_known(name.as_str()))
            })
        }
        _ => None,
    })?;
    ensure!(foreign.is_none(), "told of {foreign:?}");
    Ok(())
}

/// `beta` is stopped, started, and started anew.
fn manage(client: &mut Client) -> Verdict {
    let partition = name("beta")?;
    let manner = BETA_FORCED;
    order(client, &Request::Stop { partition, manner })?;
    expect(client, State::Stopped)?;
    order(client, &Request::Start { partition })?;
    expect(client, State::Running)?;
    let typed = client.ask(
        &Request::ConsoleWrite {
            partition,
            bytes: b"x",
        },
        |answer| matches!(answer, Answer::Taken { bytes: 1 }),
    )?;
    ensure!(typed, "beta's console takes nothing");
    order(client, &Request::Restart { partition, manner })?;
    expect(client, State::Running)
}

/// What it may not: touch itself, know of others, and anything that concerns the machine.
fn be_refused(client: &mut Client) -> Verdict {
    let (own, foreign) = (name("alpha")?, name("gamma")?);
    let manner = BETA_FORCED;
    let from = 0;
    let refused = [
        (
            Request::Stop {
                partition: own,
                manner,
            },
            Error::NotPermitted,
        ),
        (
            Request::ConsoleRead {
                partition: foreign,
                from,
            },
            Error::UnknownPartition,
        ),
        (
            Request::Stop {
                partition: foreign,
                manner,
            },
            Error::UnknownPartition,
        ),
        (
            Request::Show { partition: foreign },
            Error::UnknownPartition,
        ),
        (Request::Log { from }, Error::NotPermitted),
        (Request::ResetMachine, Error::NotPermitted),
    ];
    for (request, expected) in refused {
        let as_expected = client.ask(&request, |answer| answer == Answer::Error(expected))?;
        ensure!(as_expected, "{request:?} is not refused by {expected:?}");
    }
    Ok(())
}

fn order(client: &mut Client, request: &Request<'_>) -> Verdict {
    let done = client.ask(request, |answer| answer == Answer::Done)?;
    ensure!(done, "{request:?} is not done");
    Ok(())
}

/// Asks until `beta` is in this state.
fn expect(client: &mut Client, state: State) -> Verdict {
    let mut failure = None;
    let reached = wait::busy(|| match states(client) {
        Ok(found) => found == Some(state),
        Err(why) => {
            failure = Some(why);
            true
        }
    });
    ensure!(reached, "beta is not {state}");
    failure.map_or(Ok(()), Err)
}

/// The state that `beta` is in.
fn states(client: &mut Client) -> Result<Option<State>, Failure> {
    client.ask(&Request::List { from: 0 }, |answer| match answer {
        Answer::Partitions(page) => {
            let mut all = page.items.iter();
            all.find(|one| one.name == *"beta").map(|one| one.state)
        }
        _ => None,
    })
}

fn name(text: &str) -> Result<Name, Failure> {
    Name::new(text).ok_or_else(|| Failure::new(format_args!("{text} is no name")))
}
