//! Questions with their answers' types, whole where an answer takes several frames.

use addr::ApicId;
use mgmt_proto::{
    Answer, Channel, Counters, Event, Fault, FunctionStatus, ImageStatus, Name, Page, Request,
    Sealed, Summary,
};
use serde::de::DeserializeOwned;

use super::client::{Client, Reply};
use crate::problem::Problem;

/// The machine, as it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub build: String,
    pub back_end: String,
    pub plan_crc32c: u32,
    pub partitions: u64,
    pub housekeeping: ApicId,
    pub uptime_milliseconds: u64,
}

/// A partition with all but its counters.
#[derive(Debug, Clone)]
pub struct Shown {
    pub summary: Summary,
    pub cores: Vec<ApicId>,
    pub functions: Vec<FunctionStatus>,
    pub images: Vec<ImageStatus>,
    pub largest_image: Option<u64>,
}

/// Records from a position on.
#[derive(Debug, Clone)]
pub struct Records<T> {
    /// The number of the first one.
    pub first: u64,
    /// The number that the next one of the machine will have.
    pub end: u64,
    pub records: Vec<T>,
}

impl<T> Records<T> {
    /// Where to go on reading.
    pub fn next(&self) -> u64 {
        let count = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count)
    }
}

/// Text from a position on.
#[derive(Debug, Clone)]
pub struct Text {
    /// The position of its first byte.
    pub first: u64,
    /// The position that the machine's next byte will have.
    pub end: u64,
    pub bytes: Vec<u8>,
}

impl Text {
    /// Where to go on reading.
    pub fn next(&self) -> u64 {
        let count = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        self.first.saturating_add(count)
    }
}

impl Client {
    /// Greets the machine and returns how it introduces itself.
    pub fn machine(&mut self) -> Result<Machine, Problem> {
        match self.greet()?.answer() {
            Answer::Hello(hello) => Ok(Machine {
                build: printable(hello.build),
                back_end: printable(hello.back_end),
                plan_crc32c: hello.plan_crc32c,
                partitions: hello.partitions,
                housekeeping: hello.housekeeping,
                uptime_milliseconds: hello.uptime_milliseconds,
            }),
            _ => Err(Problem::Unexpected),
        }
    }

    /// All partitions, in the plan's order.
    pub fn partitions(&mut self) -> Result<Vec<Summary>, Problem> {
        self.whole(
            |from| Request::List { from },
            |answer| match answer {
                Answer::Partitions(page) => Some(page),
                _ => None,
            },
        )
    }

    /// All partitions' counters, in the plan's order.
    pub fn counters(&mut self) -> Result<Vec<Counters>, Problem> {
        self.whole(
            |from| Request::Counters { from },
            |answer| match answer {
                Answer::Counters(page) => Some(page),
                _ => None,
            },
        )
    }

    /// The partition that is called `name`.
    pub fn find(&mut self, name: &str) -> Result<Summary, Problem> {
        let partitions = self.partitions()?;
        let found = partitions.iter().find(|one| one.name.as_str() == name);
        found.copied().ok_or_else(|| Problem::UnknownPartition {
            name: name.to_owned(),
            known: partitions.iter().map(|one| one.name.to_string()).collect(),
        })
    }

    /// One partition with all but its counters.
    pub fn show(&mut self, partition: Name) -> Result<Shown, Problem> {
        match self.ask(&Request::Show { partition })?.answer() {
            Answer::Partition(details) => Ok(Shown {
                summary: details.summary,
                cores: details.cores.iter().collect(),
                functions: details.functions.iter().collect(),
                images: details.images.iter().collect(),
                largest_image: details.largest_image,
            }),
            _ => Err(Problem::Unexpected),
        }
    }

    /// Events from number `from` on, as many as come at once.
    pub fn events(&mut self, from: u64) -> Result<Records<Event>, Problem> {
        match self.ask(&Request::Events { from })?.answer() {
            Answer::Events(page) => Ok(records(&page)),
            _ => Err(Problem::Unexpected),
        }
    }

    /// Faults from number `from` on, as many as come at once.
    pub fn faults(&mut self, from: u64) -> Result<Records<Fault>, Problem> {
        match self.ask(&Request::Faults { from })?.answer() {
            Answer::Faults(page) => Ok(records(&page)),
            _ => Err(Problem::Unexpected),
        }
    }

    /// A partition's console from position `from` on.
    pub fn console(&mut self, partition: Name, from: u64) -> Result<Text, Problem> {
        text(&self.ask(&Request::ConsoleRead { partition, from })?)
    }

    /// Bulkhead's own messages from position `from` on.
    pub fn log(&mut self, from: u64) -> Result<Text, Problem> {
        text(&self.ask(&Request::Log { from })?)
    }

    /// The channel's counters at the machine's end.
    pub fn channel(&mut self) -> Result<Channel, Problem> {
        match self.ask(&Request::Channel)?.answer() {
            Answer::Channel(channel) => Ok(channel),
            _ => Err(Problem::Unexpected),
        }
    }

    /// Asks for something that is done or refused.
    pub fn order(&mut self, request: &Request<'_>) -> Result<(), Problem> {
        match self.ask(request)?.answer() {
            Answer::Done => Ok(()),
            _ => Err(Problem::Unexpected),
        }
    }

    /// Seals the machine, or finds it sealed.
    pub fn seal(&mut self) -> Result<Sealed, Problem> {
        match self.ask(&Request::Seal)?.answer() {
            Answer::Sealed(extent) => Ok(extent),
            _ => Err(Problem::Unexpected),
        }
    }

    /// Asks for something of which a number of bytes is taken.
    pub fn offer(&mut self, request: &Request<'_>) -> Result<u64, Problem> {
        match self.ask(request)?.answer() {
            Answer::Taken { bytes } => Ok(bytes),
            _ => Err(Problem::Unexpected),
        }
    }

    /// A list that may take several answers.
    fn whole<T: DeserializeOwned>(
        &mut self,
        request: impl Fn(u64) -> Request<'static>,
        page: impl for<'p> Fn(Answer<'p>) -> Option<Page<'p, T>>,
    ) -> Result<Vec<T>, Problem> {
        let mut all = Vec::new();
        loop {
            let from = u64::try_from(all.len()).unwrap_or(u64::MAX);
            let reply = self.ask(&request(from))?;
            let page = page(reply.answer()).ok_or(Problem::Unexpected)?;
            let before = all.len();
            all.extend(page.items.iter());
            if all.len() > plan::MAX_PARTITIONS {
                return Err(Problem::Unexpected);
            }
            if u64::try_from(all.len()).is_ok_and(|count| count >= page.end) {
                return Ok(all);
            }
            if all.len() == before {
                return Err(Problem::Unexpected);
            }
        }
    }
}

fn records<T: DeserializeOwned>(page: &Page<'_, T>) -> Records<T> {
    Records {
        first: page.first,
        end: page.end,
        records: page.items.iter().collect(),
    }
}

fn text(reply: &Reply) -> Result<Text, Problem> {
    match reply.answer() {
        Answer::Bytes(window) => Ok(Text {
            first: window.first,
            end: window.end,
            bytes: window.bytes.to_vec(),
        }),
        _ => Err(Problem::Unexpected),
    }
}

/// The text without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|one| !one.is_control()).collect()
}
