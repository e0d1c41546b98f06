//! The emulated machine's serial line: read by a thread of its own, kept in a log, handed on
//! line by line with a bound on every wait.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

/// A line longer than this is cut: a machine gone mad must not fill our memory.
const LONGEST_LINE_BYTES: usize = 64 * 1024;

/// What a wait for the next line ended with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// One line, without its line ending.
    Line(String),
    /// Nothing within the bound.
    Silence,
    /// The line is closed: QEMU has ended.
    End,
}

/// The receiving end of a serial line.
#[derive(Debug)]
pub struct Serial {
    lines: Receiver<String>,
}

impl Serial {
    /// Starts to read `source`, keeping all of it in the file `log`.
    pub fn listen(source: impl Read + Send + 'static, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("making {}", log.display()))?;
        let (sender, lines) = mpsc::channel();
        thread::Builder::new()
            .name("serial".to_owned())
            .spawn(move || copy(source, log, &sender))
            .context("starting the serial line's thread")?;
        Ok(Self { lines })
    }

    /// The next line, or what came in its stead within `limit`.
    pub fn next(&self, limit: Duration) -> Heard {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Heard::Line(line),
            Err(RecvTimeoutError::Timeout) => Heard::Silence,
            Err(RecvTimeoutError::Disconnected) => Heard::End,
        }
    }
}

fn copy(source: impl Read, mut log: File, sender: &Sender<String>) {
    let mut reader = BufReader::new(source);
    loop {
        let mut bytes = Vec::new();
        let bound = u64::try_from(LONGEST_LINE_BYTES).unwrap_or(u64::MAX);
        match reader.by_ref().take(bound).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        // A log that cannot be written does not end the run; the line itself still counts.
        let _ = log.write_all(&bytes);
        if sender.send(printable(&bytes)).is_err() {
            return;
        }
    }
}

/// The line as text: without line ending, and without the control characters with which a
/// guest could repaint the user's terminal.
fn printable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|character| *character == '\t' || !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_and_escapes_are_dropped() {
        assert_eq!(printable(b"[alpha] \x1b[2Jhi\r\n"), "[alpha] [2Jhi");
    }

    #[test]
    fn lines_come_in_order_and_then_the_end() {
        let log = std::env::temp_dir().join(format!("bulkhead-serial-{}", std::process::id()));
        let serial = Serial::listen(&b"one\ntwo"[..], &log).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(serial.next(second), Heard::Line("one".to_owned()));
        assert_eq!(serial.next(second), Heard::Line("two".to_owned()));
        assert_eq!(serial.next(second), Heard::End);
        assert_eq!(std::fs::read(&log).unwrap(), b"one\ntwo");
        std::fs::remove_file(log).unwrap();
    }
}
