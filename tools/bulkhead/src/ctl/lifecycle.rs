//! `bulkhead ctl start`, `stop`, `restart` and `reset`.

use std::thread;
use std::time::{Duration, Instant};

use mgmt_proto::{Error, Event, EventKind, Name, Request, State, StopManner};

use super::confirm::Consent;
use super::{follow, json};
use crate::arguments::{Starting, Stopping};
use crate::channel::Client;
use crate::output::{self, Format};
use crate::problem::Problem;

/// How long resetting the devices, clearing the memory and starting may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing is asked when nothing has happened.
const PAUSE: Duration = Duration::from_millis(100);

/// `bulkhead ctl start`
pub fn start(client: &mut Client, starting: &Starting, format: Format) -> Result<(), Problem> {
    let summary = client.find(&starting.partition)?;
    let partition = summary.name;
    let order = Order {
        request: Request::Start { partition },
        partition,
        before: summary.state,
        goal: State::Running,
        patience: (!starting.no_wait).then_some(PATIENCE),
    };
    order.carry_out(client, format)
}

/// `bulkhead ctl stop`
pub fn stop(client: &mut Client, stopping: &Stopping, format: Format) -> Result<(), Problem> {
    let summary = client.find(&stopping.partition)?;
    let partition = summary.name;
    let order = Order {
        request: Request::Stop {
            partition,
            manner: manner(stopping),
        },
        partition,
        before: summary.state,
        goal: State::Stopped,
        patience: patience_beyond(stopping),
    };
    order.carry_out(client, format)
}

/// `bulkhead ctl restart`
pub fn restart(client: &mut Client, stopping: &Stopping, format: Format) -> Result<(), Problem> {
    let summary = client.find(&stopping.partition)?;
    let partition = summary.name;
    let order = Order {
        request: Request::Restart {
            partition,
            manner: manner(stopping),
        },
        partition,
        before: summary.state,
        goal: State::Running,
        patience: patience_beyond(stopping),
    };
    order.carry_out(client, format)
}

fn manner(stopping: &Stopping) -> StopManner {
    if stopping.force {
        return StopManner::Forced;
    }
    StopManner::Asked {
        timeout_milliseconds: u32::try_from(stopping.within.as_millis()).unwrap_or(u32::MAX),
    }
}

fn patience_beyond(stopping: &Stopping) -> Option<Duration> {
    (!stopping.no_wait).then(|| PATIENCE.saturating_add(stopping.within))
}

/// What is asked of a partition, and what it is to become.
struct Order {
    request: Request<'static>,
    partition: Name,
    /// What it was.
    before: State,
    goal: State,
    patience: Option<Duration>,
}

impl Order {
    /// Asks, and shows what happens to the partition until it is what it should be.
    fn carry_out(&self, client: &mut Client, format: Format) -> Result<(), Problem> {
        // What happens from here on is the order's doing.
        let mut from = client.events(u64::MAX)?.end;
        client
            .order(&self.request)
            .map_err(|problem| self.explain(problem))?;
        let Some(patience) = self.patience else {
            return Ok(());
        };
        let begin = Instant::now();
        while begin.elapsed() < patience {
            let events = client.events(from)?;
            from = events.next();
            for (number, event) in (events.first..).zip(&events.records) {
                if let Some(state) = self.state_in(event) {
                    output::line(&match format {
                        Format::Text => follow::event_line(event),
                        Format::Json => json::event(number, event).to_string(),
                    })?;
                    if state == self.goal {
                        return Ok(());
                    }
                    if state == State::Failed {
                        return Err(self.unfinished("has failed"));
                    }
                }
            }
            if from >= events.end {
                if self.is_fulfilled(client)? {
                    self.say_already();
                    return Ok(());
                }
                thread::sleep(PAUSE);
            }
        }
        Err(self.unfinished("is not there yet"))
    }

    /// Whether the partition is what it should be, though no event says so: it was before. A
    /// restart is not fulfilled by a partition that runs.
    fn is_fulfilled(&self, client: &mut Client) -> Result<bool, Problem> {
        if matches!(self.request, Request::Restart { .. }) {
            return Ok(false);
        }
        Ok(client.find(self.partition.as_str())?.state == self.goal)
    }

    /// Says that the order had nothing to change, if it was so.
    fn say_already(&self) {
        if self.before == self.goal {
            let what = match self.goal {
                State::Running => "runs",
                _ => "is stopped",
            };
            output::note(&format!("{} {what} already", self.partition));
        }
    }

    /// What a refusal means for this order.
    fn explain(&self, problem: Problem) -> Problem {
        let asks = matches!(
            self.request,
            Request::Stop { manner, .. } | Request::Restart { manner, .. }
                if manner != StopManner::Forced
        );
        match problem {
            Problem::Refused(Error::Unsupported) if asks => Problem::CannotBeAsked {
                partition: self.partition.to_string(),
            },
            problem => problem,
        }
    }

    /// The state that the partition has come into by this event.
    fn state_in(&self, event: &Event) -> Option<State> {
        match event.kind {
            EventKind::Entered {
                partition, state, ..
            } if partition == self.partition => Some(state),
            _ => None,
        }
    }

    fn unfinished(&self, how: &str) -> Problem {
        Problem::Unfinished {
            what: format!("{} was to be {}, and {how}", self.partition, self.goal),
        }
    }
}

/// `bulkhead ctl reset`
pub fn reset(client: &mut Client, consent: Consent) -> Result<(), Problem> {
    consent.require(client, "resets the whole machine")?;
    match client.order(&Request::ResetMachine) {
        // The machine was faster than its answer.
        Ok(()) | Err(Problem::Restarted) => {
            output::note("the machine resets");
            Ok(())
        }
        Err(problem) => Err(problem),
    }
}
