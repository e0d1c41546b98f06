//! One running emulator, with its serial line and, where it has one, its monitor.
//!
//! Key types: [`Emulator`], [`Software`] and [`Stalled`]. The process ends when the value is
//! dropped. Every wait has its own bound, and the whole run has one on top; both are stretched
//! by what the platform needs.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::channel::{Channel, Socket};
use crate::machine::Machine;
use crate::message::{Event, Message};
use crate::monitor::Monitor;
use crate::platform::{Need, Platform};
use crate::pulse::Pulse;
use crate::serial::{Heard, Serial};
use crate::{bochs, qemu};

/// How long one run may take at most, unless its machine's user says otherwise.
const RUN_LIMIT: Duration = Duration::from_secs(600);
/// What the emulator says, in the run's folder.
const LOG: &str = "emulator.log";
/// What is no news in it: QEMU's warnings about features of the CPU model that nobody here
/// asked for, and Bochs' words about a disk whose cylinders it counts itself.
const NOISE: [&str; 3] = [
    "TCG doesn't support requested feature",
    "autodetection enabled",
    "i[      ]",
];
/// How many lines an error repeats.
const LAST_LINES: usize = 12;

/// Tells the sockets of one process apart.
static SOCKETS: AtomicU32 = AtomicU32::new(0);

/// What the emulated machine starts.
#[derive(Debug, Clone)]
pub struct Software {
    /// An ELF with a PVH note, or a Linux kernel.
    pub kernel: PathBuf,
    /// The boot module.
    pub module: Option<PathBuf>,
}

/// The emulator itself has stood still: nothing is said by that of what runs in it, and
/// another try is fair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the emulator itself stood still")
    }
}

impl std::error::Error for Stalled {}

/// One running emulator.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    platform: Platform,
    serial: Serial,
    pulse: Pulse,
    monitor: Option<Monitor>,
    channel: Socket,
    folder: PathBuf,
    history: Vec<String>,
    end: Option<Instant>,
}

impl Emulator {
    /// Starts `machine` with `software`; logs go to `folder`.
    pub fn start(machine: &Machine, software: &Software, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let errors = File::create(folder.join(LOG))?;
        let channel = match &machine.platform {
            Platform::Tcg | Platform::Kvm => Socket::Unix(socket_path()),
            Platform::Bochs(_) => Socket::to_be_called()?,
        };
        let (mut command, input, monitor) = match (&machine.platform, &channel) {
            (Platform::Bochs(program), Socket::Tcp(listener)) => {
                let port = listener.local_addr()?.port();
                let command = bochs::command(program, machine, software, (folder, port))?;
                (command, Stdio::null(), None)
            }
            (_, channel) => {
                let (monitor, others) = Monitor::pair()?;
                let command = qemu::command(machine, software, folder, channel.path())?;
                (command, others.into(), Some(monitor))
            }
        };
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let output = child.stdout.take().context("the emulator has no output")?;
        let serial = Serial::listen(output, &folder.join("serial.log"))?;
        let mut emulator = Self {
            pulse: Pulse::of(child.id()),
            child,
            platform: machine.platform.clone(),
            serial,
            monitor,
            channel,
            folder: folder.to_owned(),
            history: Vec::new(),
            end: None,
        };
        emulator.limit(emulator.stretch(RUN_LIMIT));
        Ok(emulator)
    }

    /// Bounds the whole run, counted from now; this is not stretched.
    pub fn limit(&mut self, limit: Duration) {
        self.end = Instant::now().checked_add(limit);
    }

    fn stretch(&self, limit: Duration) -> Duration {
        limit.saturating_mul(self.platform.patience())
    }

    /// The next line, or silence within `limit`, or the end.
    pub fn hear(&mut self, limit: Duration) -> Heard {
        let left = self.end.map_or(Duration::ZERO, |end| {
            end.saturating_duration_since(Instant::now())
        });
        let heard = self.serial.next(limit.min(left));
        if let Heard::Line(line) = &heard {
            self.history.push(line.clone());
            self.pulse.restart();
        }
        heard
    }

    /// Whether the whole run's time is up.
    pub fn is_out_of_time(&self) -> bool {
        self.end.is_none_or(|end| Instant::now() >= end)
    }

    /// Whether the emulator itself stands still, and not only what runs in it. Bochs computes
    /// even while all its processors halt; of QEMU that cannot be told.
    pub fn is_stalled(&self) -> bool {
        matches!(self.platform, Platform::Bochs(_)) && self.pulse.is_still()
    }

    /// Waits for a message for which `wanted` gives a value. Messages before it are dropped.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Message) -> Option<T>,
    ) -> Result<T> {
        let limit = self.stretch(limit);
        let end = Instant::now().checked_add(limit);
        loop {
            let left = end.map_or(Duration::ZERO, |end| {
                end.saturating_duration_since(Instant::now())
            });
            match self.hear(left) {
                Heard::Line(line) => {
                    let message = Message::parse(&line);
                    if let Some(value) = wanted(&message) {
                        return Ok(value);
                    }
                    if let Some(why) = message.given_up() {
                        bail!("{why}, before {what}{}", self.last_lines());
                    }
                }
                Heard::Silence => {
                    self.keep_registers();
                    let silence = format!("no {what} within {limit:?}{}", self.last_lines());
                    if self.is_stalled() {
                        return Err(anyhow!(Stalled).context(silence));
                    }
                    bail!(silence);
                }
                Heard::End => {
                    let error = self.ending();
                    return Err(error.context(format!("the emulator ended before {what}")));
                }
            }
        }
    }

    /// Waits for one of Bulkhead's events.
    pub fn wait_for_event<T>(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> Result<T> {
        self.wait_for(what, limit, |message| match message {
            Message::Event(event) => wanted(event),
            _ => None,
        })
    }

    /// Waits for a line of anybody's that contains `text`, and returns its text.
    pub fn wait_for_text(&mut self, text: &str, limit: Duration) -> Result<String> {
        self.wait_for(&format!("line with `{text}`"), limit, |message| {
            let line = match message {
                Message::Text(line) | Message::Other(line) => line,
                Message::Console { text: line, .. } => line,
                Message::Event(_) | Message::Check { .. } => return None,
            };
            line.contains(text).then(|| line.clone())
        })
    }

    /// Every line heard so far.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// The machine monitor.
    pub fn monitor(&mut self) -> Result<&mut Monitor> {
        if let Some(lack) = self.platform.lack(Need::Monitor) {
            bail!(lack);
        }
        self.monitor.as_mut().context("QEMU has no monitor")
    }

    /// Where the machine's second serial port is.
    pub const fn channel_socket(&self) -> &Socket {
        &self.channel
    }

    /// A connection to the management channel, which a plan may have at the second serial
    /// port.
    pub fn channel(&self) -> Result<Channel> {
        self.channel.connect()
    }

    /// Keeps all processors' registers among the logs, where a monitor tells them: where a
    /// machine that says nothing is.
    pub fn keep_registers(&mut self) {
        if !self.platform.has(Need::Monitor) {
            return;
        }
        let file = self.folder.join("registers.log");
        let registers = self.monitor().and_then(|m| m.human("info registers -a"));
        // This is for a failure's reader; that it failed in turn is no news.
        let text = registers.unwrap_or_else(|error| format!("{error:#}\n"));
        let _ = fs::write(file, text);
    }

    /// Ends the emulator.
    pub fn stop(&mut self) {
        // It may have ended by itself; either way nothing of it is left after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(path) = self.channel.path() {
            let _ = fs::remove_file(path);
        }
    }

    /// How the emulator ended, with what it said of it, once its serial line is closed.
    pub fn ending(&mut self) -> anyhow::Error {
        let status = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let reason = self.monitor.as_mut().and_then(Monitor::reason);
        let reason = reason.map_or_else(String::new, |reason| format!(", {reason}"));
        let said = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let is_news = |line: &&str| !NOISE.iter().any(|noise| line.contains(noise));
        let said: Vec<_> = said.lines().filter(is_news).collect();
        anyhow!(
            "the emulator: {status}{reason}; {}{}",
            said.join("\n"),
            self.last_lines()
        )
    }

    fn last_lines(&self) -> String {
        let from = self.history.len().saturating_sub(LAST_LINES);
        let mut text = format!("; log: {}; last lines:", self.folder.display());
        for line in self.history.iter().skip(from) {
            text.push_str("\n    ");
            text.push_str(line);
        }
        text
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A command for an emulator, which ends with the thread that starts it, even if that is
/// killed: an emulator that nobody hears would compute for ever.
pub fn leashed(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// A short path: a Unix socket's has at most 107 bytes.
fn socket_path() -> PathBuf {
    let number = SOCKETS.fetch_add(1, Ordering::Relaxed);
    let name = format!("bulkhead-{}-{number}.channel", std::process::id());
    std::env::temp_dir().join(name)
}
