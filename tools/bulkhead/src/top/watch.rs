//! The thread that asks the machine, round after round, and connects again when it must.

use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mgmt_proto::{Counters, Event, Name, Summary};

use crate::channel::{Client, Connection, Machine, Records, Shown, Text};
use crate::problem::Problem;

/// How long to wait before the machine is called again.
const RETRY: Duration = Duration::from_secs(1);
/// How often the console is read between two rounds, at most.
const CONSOLE_PAUSE: Duration = Duration::from_millis(200);
/// How much of a console's past is shown.
const HISTORY: u64 = 4096;

/// What the thread has heard.
#[derive(Debug)]
pub enum News {
    /// The machine was greeted: a new session, or a new connection.
    Greeted(Machine, Vec<Shown>),
    /// How the partitions are.
    Round(Round),
    /// What happened since.
    Events(Records<Event>),
    /// What a guest has printed since.
    Console(Name, Text),
    /// The machine does not answer as it should; it is called again.
    Problem(String),
}

/// How the partitions are at one moment.
#[derive(Debug)]
pub struct Round {
    pub partitions: Vec<Summary>,
    pub counters: Vec<Counters>,
    /// How long an answer took.
    pub answer_time: Duration,
}

/// The thread's other end.
#[derive(Debug)]
pub struct Watch {
    news: Receiver<News>,
    wanted: Arc<Mutex<Option<Name>>>,
}

impl Watch {
    /// Connects, and starts to ask each `interval`.
    pub fn start(connection: Connection, interval: Duration) -> Result<Self, Problem> {
        let client = Client::connect(&connection)?;
        let (sender, news) = mpsc::channel();
        let wanted = Arc::new(Mutex::new(None));
        let mut watcher = Watcher {
            connection,
            interval,
            news: sender,
            wanted: Arc::clone(&wanted),
            events_from: 0,
            console: None,
        };
        // It ends when nobody listens any more, at the latest with the program.
        thread::spawn(move || watcher.run(client));
        Ok(Self { news, wanted })
    }

    /// What has come by now.
    pub fn news(&self) -> impl Iterator<Item = News> {
        self.news.try_iter()
    }

    /// Whose console is shown.
    pub fn want_console(&self, of: Option<Name>) {
        if let Ok(mut wanted) = self.wanted.lock() {
            *wanted = of;
        }
    }
}

struct Watcher {
    connection: Connection,
    interval: Duration,
    news: Sender<News>,
    wanted: Arc<Mutex<Option<Name>>>,
    events_from: u64,
    console: Option<(Name, u64)>,
}

/// Nobody listens any more.
struct Unheard;

impl Watcher {
    /// Watches until nobody listens.
    fn run(&mut self, first: Client) {
        let mut client = Some(first);
        loop {
            let outcome = match client.take() {
                Some(client) => self.watch(client),
                None => Client::connect(&self.connection).map(|again| client = Some(again)),
            };
            let Err(problem) = outcome else { continue };
            if matches!(problem, Problem::Unheard) || self.tell_problem(&problem).is_err() {
                return;
            }
            thread::sleep(RETRY);
        }
    }

    fn tell_problem(&self, problem: &Problem) -> Result<(), Unheard> {
        let text = match problem.remedy() {
            Some(remedy) => format!("{problem}: {remedy}"),
            None => problem.to_string(),
        };
        self.tell(News::Problem(text))
    }

    fn tell(&self, news: News) -> Result<(), Unheard> {
        self.news.send(news).map_err(|_| Unheard)
    }

    /// Asks round after round, until something goes wrong.
    fn watch(&mut self, mut client: Client) -> Result<(), Problem> {
        self.greet(&mut client)?;
        loop {
            let begin = Instant::now();
            self.round(&mut client, begin)?;
        }
    }

    /// One round: all partitions, then the console until the next one is due.
    fn round(&mut self, client: &mut Client, begin: Instant) -> Result<(), Problem> {
        let partitions = client.partitions()?;
        let answer_time = begin.elapsed();
        let counters = client.counters()?;
        self.tell(News::Round(Round {
            partitions,
            counters,
            answer_time,
        }))?;
        let events = client.events(self.events_from)?;
        self.events_from = events.next();
        self.tell(News::Events(events))?;
        loop {
            self.read_console(client)?;
            let left = self.interval.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(CONSOLE_PAUSE));
        }
    }

    fn greet(&mut self, client: &mut Client) -> Result<(), Problem> {
        let machine = client.machine()?;
        let partitions = client.partitions()?;
        let shown = partitions.iter().map(|one| client.show(one.name));
        let shown = shown.collect::<Result<Vec<_>, _>>()?;
        self.events_from = 0;
        self.console = None;
        self.tell(News::Greeted(machine, shown))?;
        Ok(())
    }

    fn read_console(&mut self, client: &mut Client) -> Result<(), Problem> {
        let wanted = self.wanted.lock().ok().and_then(|wanted| *wanted);
        let Some(name) = wanted else { return Ok(()) };
        let from = match self.console {
            Some((of, from)) if of == name => from,
            _ => {
                let end = client.console(name, u64::MAX)?.end;
                end.saturating_sub(HISTORY)
            }
        };
        let text = client.console(name, from)?;
        self.console = Some((name, text.next()));
        self.tell(News::Console(name, text))?;
        Ok(())
    }
}

impl From<Unheard> for Problem {
    fn from(_: Unheard) -> Self {
        Self::Unheard
    }
}
