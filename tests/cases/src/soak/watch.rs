//! What is seen on the machine's console all the while: the steady guest's reports, and what
//! must not be.

use harness::{Event, Message};
use serde::Serialize;

use super::{RESTARTED, STEADY};
use crate::life::number;

/// How much that is wrong is told one by one.
const WRONG: usize = 20;

/// What the steady guest has told last: of all its rounds, and how often it has told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Steady {
    /// Its reports.
    pub reports: u64,
    /// Its rounds of computing.
    pub rounds: u64,
    /// Words that were not what it had computed.
    pub errors: u64,
    /// Exits in its rounds.
    pub exits: u64,
    /// Interrupts that nobody of its own sent.
    pub foreign_interrupts: u64,
}

/// Whoever looks at every message.
#[derive(Debug, Default)]
pub struct Watch {
    /// The steady guest.
    pub steady: Steady,
    /// What is not as it should be.
    pub wrong: Vec<String>,
}

impl Watch {
    /// Looks at one message.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::Check { partition, check } if partition == STEADY => {
                let number = |key| number(check, key).unwrap_or(u64::MAX);
                self.steady = Steady {
                    reports: self.steady.reports.saturating_add(1),
                    rounds: number("rounds"),
                    errors: number("errors"),
                    exits: number("exits"),
                    foreign_interrupts: number("foreign"),
                };
            }
            Message::Console { partition, text } if partition == STEADY => {
                self.note(format!("{partition} says: {text}"));
            }
            Message::Event(Event::Stopped { name, cause, .. }) if name != RESTARTED => {
                self.note(format!("{name} ended by {cause}"));
            }
            Message::Event(
                event @ (Event::Failed { .. }
                | Event::Refused { .. }
                | Event::Fault { .. }
                | Event::Halted),
            ) => self.take_event(event),
            _ => {}
        }
    }

    /// What is an event and wrong; that no partition runs any more is right in between.
    fn take_event(&mut self, event: &Event) {
        self.note(match event {
            Event::Failed { name, why } => format!("{name} failed: {why}"),
            Event::Refused { name, why } => format!("{name} was refused: {why}"),
            other => format!("{other:?}"),
        });
    }

    fn note(&mut self, wrong: String) {
        if self.wrong.len() < WRONG {
            self.wrong.push(wrong);
        }
    }
}
