//! The course of a run that is watched: when it ends by itself, and whether well.

use harness::{Event, Message};

/// When a watched run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// When no guest runs, or will by itself.
    WithTheLastGuest,
    /// When the user says so: stopped partitions can be started over the channel.
    ByTheUser,
}

impl End {
    /// What the flag `--stay` asks for.
    pub const fn from_flag(stay: bool) -> Self {
        if stay {
            Self::ByTheUser
        } else {
            Self::WithTheLastGuest
        }
    }
}

/// What has become of a run so far.
#[derive(Debug)]
pub struct Course {
    end: End,
    partitions: usize,
    is_over: bool,
    problems: Vec<String>,
}

impl Course {
    /// A run of so many partitions that ends so.
    pub const fn new(end: End, partitions: usize) -> Self {
        Self {
            end,
            partitions,
            is_over: false,
            problems: Vec::new(),
        }
    }

    /// Takes one message; whether there is nothing to wait for any more.
    pub fn take(&mut self, message: &Message) -> bool {
        if let Some(why) = message.given_up() {
            self.problems.push(why.to_owned());
            return true;
        }
        match message {
            Message::Event(Event::Refused { name, why }) => {
                self.problems.push(format!("{name} was refused: {why}"));
                // Where no partition has started none will stop, which would end the run.
                self.is_over |= self.problems.len() >= self.partitions;
            }
            Message::Event(Event::Halted) => self.is_over = true,
            Message::Event(Event::Started { .. }) => self.is_over = false,
            _ => {}
        }
        self.is_over && self.end == End::WithTheLastGuest
    }

    /// Whether no guest runs, or will by itself.
    pub const fn is_over(&self) -> bool {
        self.is_over
    }

    /// What went wrong.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALTED: &str = r#"[bulkhead] json {"event":"halted"}"#;
    const REFUSED: &str =
        r#"[bulkhead] json {"event":"refused","name":"beta","why":"no PVH note"}"#;

    /// How many of the lines are heard before the run ends, and what went wrong.
    fn course(end: End, lines: &[&str]) -> (usize, Vec<String>) {
        let mut course = Course::new(end, 2);
        let last = lines
            .iter()
            .position(|line| course.take(&Message::parse(line)));
        (
            last.map_or(lines.len(), |last| last.saturating_add(1)),
            course.problems,
        )
    }

    #[test]
    fn a_run_ends_with_its_last_guest_and_a_run_that_stays_does_not() {
        let lines = [HALTED, "[alpha] something"];
        assert_eq!(course(End::WithTheLastGuest, &lines), (1, vec![]));
        assert_eq!(course(End::ByTheUser, &lines), (2, vec![]));
    }

    #[test]
    fn a_refused_partition_is_named_at_the_end() {
        let (heard, problems) = course(End::WithTheLastGuest, &[REFUSED, HALTED]);
        assert_eq!(heard, 2);
        assert_eq!(problems, ["beta was refused: no PVH note"]);
    }

    #[test]
    fn a_run_without_any_guest_ends_at_once() {
        let (heard, problems) = course(End::WithTheLastGuest, &[REFUSED, REFUSED, "more"]);
        assert_eq!((heard, problems.len()), (2, 2));
    }

    #[test]
    fn a_machine_that_bulkhead_cannot_use_ends_every_run() {
        let lines = ["[bulkhead] cannot run here: no SVM; enable it", "more"];
        for end in [End::WithTheLastGuest, End::ByTheUser] {
            let (heard, problems) = course(end, &lines);
            assert_eq!(heard, 1);
            assert_eq!(problems, ["cannot run here: no SVM; enable it"]);
        }
    }
}
