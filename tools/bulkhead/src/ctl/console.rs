//! `bulkhead ctl console`.

use std::io::{self, IsTerminal, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use mgmt_proto::{MAX_DATA, Name, Request, State};
use ratatui::crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use serde_json::json;

use crate::arguments::Console;
use crate::channel::{Client, Text};
use crate::output::{self, Format};
use crate::problem::Problem;

/// Ctrl-], which leaves the console.
const ESCAPE: u8 = 0x1d;
/// How long to wait for keys before the console is read again: short after something came,
/// for the echo of what is typed, then longer, to keep the line free.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);
/// How long a script waits for a guest that does not read.
const SCRIPT_PATIENCE: Duration = Duration::from_secs(30);
/// How long the guest must be quiet after the last input of a script.
const QUIET: Duration = Duration::from_secs(1);

/// Shows a console, and types on it.
pub fn run(client: &mut Client, arguments: &Console, format: Format) -> Result<(), Problem> {
    let summary = client.find(&arguments.partition)?;
    let name = summary.name;
    let end = client.console(name, u64::MAX)?.end;
    let from = end.saturating_sub(arguments.history);
    if arguments.dump {
        return dump(client, name, from, format);
    }
    if summary.state != State::Running {
        output::note(&format!("bulkhead: {name} is {}", summary.state));
    }
    let terminal = io::stdin().is_terminal();
    let _raw = terminal.then(|| Raw::enter(name)).transpose()?;
    let mut session = Session {
        client,
        name,
        position: from,
        terminal,
    };
    session.run(&keys())
}

/// Prints what there is.
fn dump(client: &mut Client, name: Name, from: u64, format: Format) -> Result<(), Problem> {
    let mut position = from;
    let mut first = None;
    let mut bytes = Vec::new();
    loop {
        let text = client.console(name, position)?;
        first.get_or_insert(text.first);
        position = text.next();
        let is_last = text.bytes.is_empty() || position >= text.end;
        bytes.extend(text.bytes);
        if is_last {
            break;
        }
    }
    match format {
        Format::Text => output::write(&bytes),
        Format::Json => output::line(
            &json!({
                "partition": name.as_str(),
                "first": first,
                "end": position,
                "text": String::from_utf8_lossy(&bytes),
            })
            .to_string(),
        ),
    }
}

/// A user, or a script, at a console.
struct Session<'c> {
    client: &'c mut Client,
    name: Name,
    position: u64,
    terminal: bool,
}

impl Session<'_> {
    fn run(&mut self, keys: &Receiver<Vec<u8>>) -> Result<(), Problem> {
        let mut pause = SHORTEST_PAUSE;
        let mut quiet_since = None;
        loop {
            if self.print()? {
                pause = SHORTEST_PAUSE;
                quiet_since = quiet_since.map(|_| Instant::now());
            }
            match keys.recv_timeout(pause) {
                Ok(typed) => {
                    pause = SHORTEST_PAUSE;
                    if self.send(&typed)? {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
                // The end of a script: what it has caused is still waited for.
                Err(RecvTimeoutError::Disconnected) => {
                    let since = *quiet_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > QUIET {
                        return Ok(());
                    }
                    thread::sleep(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Prints what the guest has printed since; whether there was any.
    fn print(&mut self) -> Result<bool, Problem> {
        let mut any = false;
        loop {
            let text = match self.client.console(self.name, self.position) {
                Err(Problem::Restarted) => {
                    self.client.greet()?;
                    output::note("\r\nbulkhead: the machine has restarted\r");
                    self.position = 0;
                    continue;
                }
                text => text?,
            };
            self.say_lost(&text);
            self.position = text.next();
            if text.bytes.is_empty() {
                return Ok(any);
            }
            any = true;
            output::write(&text.bytes)?;
        }
    }

    fn say_lost(&self, text: &Text) {
        let lost = text.first.saturating_sub(self.position);
        // What is older than the history that was asked for is not missed.
        if lost > 0 && self.position > 0 {
            output::note(&format!("\r\nbulkhead: {lost} bytes are gone\r"));
        }
    }

    /// Types; whether the user leaves.
    fn send(&mut self, typed: &[u8]) -> Result<bool, Problem> {
        let escape = typed.iter().position(|byte| *byte == ESCAPE);
        let escape = escape.filter(|_| self.terminal);
        let mut rest = typed.get(..escape.unwrap_or(typed.len())).unwrap_or(typed);
        let begin = Instant::now();
        while !rest.is_empty() {
            let bytes = rest.get(..MAX_DATA).unwrap_or(rest);
            let partition = self.name;
            let request = Request::ConsoleWrite { partition, bytes };
            let taken = usize::try_from(self.client.offer(&request)?).unwrap_or(usize::MAX);
            rest = rest.get(taken..).unwrap_or_default();
            if taken > 0 {
                continue;
            }
            if self.terminal {
                // As a terminal does it: what finds no room is lost, with a ring.
                output::write(b"\x07")?;
                break;
            }
            if begin.elapsed() > SCRIPT_PATIENCE {
                return Err(Problem::Unfinished {
                    what: format!("{} does not read what is typed", self.name),
                });
            }
            self.print()?;
            thread::sleep(LONGEST_PAUSE);
        }
        Ok(escape.is_some())
    }
}

/// What comes on standard input, as it comes, until its end.
fn keys() -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    // Ends with the input, or with the program: a read cannot be called off.
    thread::spawn(move || {
        let mut buffer = [0; MAX_DATA];
        while let Ok(length @ 1..) = io::stdin().lock().read(&mut buffer) {
            let typed = buffer.get(..length).unwrap_or_default();
            if sender.send(typed.to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The terminal in raw mode: every key goes to the guest.
struct Raw;

impl Raw {
    fn enter(name: Name) -> Result<Self, Problem> {
        output::note(&format!("Console of {name}. Ctrl-] leaves it."));
        let entered = enable_raw_mode().map(|()| Self);
        entered.map_err(|error| Problem::here(format!("the terminal takes no raw mode: {error}")))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing better can be done if it fails.
        let _ = disable_raw_mode();
        output::note("");
    }
}
