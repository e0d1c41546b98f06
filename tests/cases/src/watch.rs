//! What is seen on the machine's console all the while: what the partition `alpha` tells of its
//! own work, and what must not be.

use harness::{Event, Message};
use serde::Serialize;

use crate::life::number;

/// The partition that works and is to be left alone.
pub const STEADY: &str = "alpha";
/// How much that is wrong is told one by one.
const WRONG: usize = 20;

/// What `alpha` has told last: of all its rounds, and how often it has told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Steady {
    /// Its reports.
    pub reports: u64,
    /// Its rounds of work.
    pub rounds: u64,
    /// What was not as it had been left.
    pub errors: u64,
    /// Exits in its rounds.
    pub exits: u64,
    /// Interrupts that nobody of its own sent.
    pub foreign_interrupts: u64,
}

/// Whoever looks at every message.
#[derive(Debug, Default)]
pub struct Watch {
    /// What `alpha` tells.
    pub steady: Steady,
    /// What is not as it should be.
    pub wrong: Vec<String>,
}

impl Watch {
    /// Looks at one message.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::Check { partition, check } if partition == STEADY => {
                if !check.ok {
                    self.note(format!("{partition}: {} {:?}", check.name, check.values));
                }
                if let Ok(rounds) = number(check, "rounds") {
                    self.steady = Steady {
                        reports: self.steady.reports.saturating_add(1),
                        rounds,
                        errors: number(check, "errors").unwrap_or(u64::MAX),
                        exits: number(check, "exits").unwrap_or(u64::MAX),
                        foreign_interrupts: number(check, "foreign").unwrap_or(0),
                    };
                    self.check_exits();
                }
            }
            Message::Event(Event::Stopped { name, cause, .. }) if name == STEADY => {
                self.note(format!("{name} ended by {cause}"));
            }
            Message::Event(Event::Failed { name, why }) => {
                self.note(format!("{name} failed: {why}"));
            }
            Message::Event(Event::Refused { name, why }) => {
                self.note(format!("{name} was refused: {why}"));
            }
            Message::Event(fault @ Event::Fault { .. }) => self.note(format!("{fault:?}")),
            _ => {}
        }
    }

    /// A stock Linux does not judge its exits by itself.
    fn check_exits(&mut self) {
        if self.steady.exits > 0 {
            self.note(format!("{STEADY} has made {} exits", self.steady.exits));
        }
    }

    fn note(&mut self, wrong: String) {
        if self.wrong.len() < WRONG {
            self.wrong.push(wrong);
        }
    }
}
