//! What is known about the machine, and what the user looks at.

use std::time::{Duration, Instant};

use addr::ApicId;
use mgmt_proto::{Counters, Event, Name, Summary};
use vdev::exit_reason::ExitReason;

use super::screen::Screen;
use super::watch::{News, Round};
use crate::channel::{Address, Machine, Shown};

/// How many events are kept.
const EVENTS: usize = 500;

/// What fills the space under the partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    All,
    Console,
    Events,
}

/// What is known, and what is looked at.
#[derive(Debug)]
pub struct Model {
    pub address: String,
    pub machine: Option<Machine>,
    pub uptime: Duration,
    pub partitions: Vec<Partition>,
    pub events: Vec<Event>,
    pub screen: Screen,
    /// Why the machine is not seen any more.
    pub problem: Option<String>,
    pub answer_time: Duration,
    pub view: View,
    shown_console: Option<Name>,
    selected: usize,
    greeted: Option<Instant>,
    last_round: Option<Instant>,
}

/// A partition, and how fast its counters grow.
#[derive(Debug, Clone)]
pub struct Partition {
    pub summary: Summary,
    pub cores: Vec<ApicId>,
    pub counters: Option<Counters>,
    /// Exits a second by reason, in the order of their numbers.
    pub rates: [f64; ExitReason::COUNT],
}

impl Partition {
    /// All its exits a second.
    pub fn rate(&self) -> f64 {
        self.rates.iter().sum()
    }
}

impl Model {
    /// Nothing is known yet.
    pub fn new(address: &Address) -> Self {
        Self {
            address: address.to_string(),
            machine: None,
            uptime: Duration::ZERO,
            partitions: Vec::new(),
            events: Vec::new(),
            screen: Screen::default(),
            problem: None,
            answer_time: Duration::ZERO,
            view: View::All,
            shown_console: None,
            selected: 0,
            greeted: None,
            last_round: None,
        }
    }

    /// Takes what was heard.
    pub fn learn(&mut self, news: News) {
        match news {
            News::Greeted(machine, shown) => self.begin(machine, shown, Instant::now()),
            News::Round(round) => self.update(round, Instant::now()),
            News::Events(records) => {
                self.events.extend(records.records);
                let old = self.events.len().saturating_sub(EVENTS);
                self.events.drain(..old);
            }
            News::Console(name, text) => {
                if self.shown_console != Some(name) {
                    self.shown_console = Some(name);
                    self.screen = Screen::default();
                }
                self.screen.print(&text.bytes);
            }
            News::Problem(problem) => self.problem = Some(problem),
        }
    }

    /// A session begins: all that was counted counts from new beginnings.
    fn begin(&mut self, machine: Machine, shown: Vec<Shown>, now: Instant) {
        let partition = |one: Shown| Partition {
            summary: one.summary,
            cores: one.cores,
            counters: None,
            rates: [0.0; ExitReason::COUNT],
        };
        self.partitions = shown.into_iter().map(partition).collect();
        self.machine = Some(machine);
        self.events.clear();
        self.shown_console = None;
        self.screen = Screen::default();
        self.greeted = Some(now);
        self.last_round = None;
        self.problem = None;
        self.select(self.selected);
    }

    fn update(&mut self, round: Round, now: Instant) {
        let since = self.last_round.replace(now);
        let seconds = since.map(|since| now.saturating_duration_since(since).as_secs_f64());
        for partition in &mut self.partitions {
            let name = partition.summary.name;
            let summary = round.partitions.iter().find(|one| one.name == name);
            partition.summary = summary.copied().unwrap_or(partition.summary);
            let counters = round.counters.iter().find(|one| one.name == name).copied();
            let before = std::mem::replace(&mut partition.counters, counters);
            if let (Some(before), Some(now), Some(seconds)) = (before, counters, seconds) {
                partition.rates = rates(&before, &now, seconds);
            }
        }
        if let (Some(machine), Some(greeted)) = (&self.machine, self.greeted) {
            let then = Duration::from_millis(machine.uptime_milliseconds);
            self.uptime = then.saturating_add(now.saturating_duration_since(greeted));
        }
        self.answer_time = round.answer_time;
        self.problem = None;
    }

    /// The partition that is looked at.
    pub fn selected(&self) -> Option<Name> {
        self.selected_partition().map(|one| one.summary.name)
    }

    /// The partition that is looked at.
    pub fn selected_partition(&self) -> Option<&Partition> {
        self.partitions.get(self.selected)
    }

    /// The number of the partition that is looked at.
    pub const fn selected_index(&self) -> usize {
        self.selected
    }

    fn select(&mut self, index: usize) {
        self.selected = index.min(self.partitions.len().saturating_sub(1));
    }

    pub fn select_next(&mut self) {
        self.select(self.selected.saturating_add(1));
    }

    pub fn select_previous(&mut self) {
        self.select(self.selected.saturating_sub(1));
    }

    /// Shows only this, or all again.
    pub fn toggle(&mut self, view: View) {
        self.view = if self.view == view { View::All } else { view };
    }
}

/// Exits a second by reason.
fn rates(before: &Counters, now: &Counters, seconds: f64) -> [f64; ExitReason::COUNT] {
    ExitReason::ALL.map(|reason| {
        let count = now.exits.of(reason).saturating_sub(before.exits.of(reason));
        if seconds > 0.0 {
            // What is lost beyond 2^53 exits does not show.
            count as f64 / seconds
        } else {
            0.0
        }
    })
}
