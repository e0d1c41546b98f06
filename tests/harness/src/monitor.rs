//! QEMU's machine monitor: looks at the emulated machine from outside.
//!
//! Key type: [`Monitor`], a client of QMP over a pair of sockets (QEMU 10.0, "QEMU Machine
//! Protocol Specification"), which passes commands of the human monitor through.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A connection to one QEMU's monitor.
#[derive(Debug)]
pub struct Monitor {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// The number of the last request.
    last: u64,
    /// Why the machine ended, in QEMU's words, once it has.
    reason: Option<String>,
}

impl Monitor {
    /// A connection, with the end of it that a QEMU is to be started with.
    pub fn pair() -> Result<(Self, OwnedFd)> {
        let (writer, others) = UnixStream::pair()?;
        writer.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut monitor = Self {
            reader: BufReader::new(writer.try_clone()?),
            writer,
            last: 0,
            reason: None,
        };
        // QEMU reads it when it is there, and tells of events from then on.
        monitor.request("qmp_capabilities", &json!({}))?;
        Ok((monitor, others.into()))
    }

    fn request(&mut self, command: &str, arguments: &Value) -> Result<()> {
        self.last = self.last.wrapping_add(1);
        let request = json!({"execute": command, "arguments": arguments, "id": self.last});
        send(&mut self.writer, &request).context("writing to QEMU's monitor")
    }

    /// Executes one QMP command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        self.request(command, arguments)?;
        let end = Instant::now().checked_add(ANSWER_LIMIT);
        while end.is_some_and(|end| Instant::now() < end) {
            let mut message = self.read_message()?;
            if message.get("id") != Some(&json!(self.last)) {
                continue;
            }
            if let Some(answer) = message.get_mut("return") {
                return Ok(answer.take());
            }
            if let Some(error) = message.get("error") {
                bail!("QEMU's monitor refused `{command}`: {error}");
            }
        }
        bail!("QEMU's monitor did not answer `{command}`")
    }

    /// Executes one command of the human monitor and returns the text it prints.
    pub fn human(&mut self, command: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", &json!({"command-line": command}))?;
        let text = answer.as_str().context("the answer is not text")?;
        Ok(text.replace('\r', ""))
    }

    /// Reads `count` 64-bit words of physical memory from `address`.
    pub fn read_physical(&mut self, address: u64, count: usize) -> Result<Vec<u64>> {
        let text = self.human(&format!("xp /{count}gx {address:#x}"))?;
        let words = parse_words(&text);
        if words.len() != count {
            bail!("asked for {count} words at {address:#x}, QEMU answered: {text}");
        }
        Ok(words)
    }

    /// Ends QEMU.
    pub fn quit(&mut self) -> Result<()> {
        // QEMU may close the socket before it answers, so only the request is checked.
        self.request("quit", &json!({}))
    }

    /// Why the machine ended, as QEMU says in its event `SHUTDOWN` (QEMU 10.0, "QEMU QMP Reference
    /// Manual", "ShutdownCause"): `guest-reset` is a reset of the machine or a triple fault outside
    /// guests. QEMU must have ended; `None` if it was not the machine that did.
    pub fn reason(&mut self) -> Option<&str> {
        while self.read_message().is_ok() {}
        self.reason.as_deref()
    }

    fn read_message(&mut self) -> Result<Value> {
        let mut line = String::new();
        let bytes = self
            .reader
            .read_line(&mut line)
            .context("reading QEMU's monitor")?;
        if bytes == 0 {
            bail!("QEMU closed its monitor");
        }
        let message: Value =
            serde_json::from_str(&line).with_context(|| format!("QEMU's monitor said: {line}"))?;
        if let Some(reason) = message.pointer("/data/reason").and_then(Value::as_str)
            && message.get("event") == Some(&json!("SHUTDOWN"))
        {
            self.reason = Some(reason.to_owned());
        }
        Ok(message)
    }
}

/// Sends `request` in one piece: QEMU obeys at the closing bracket, and if it ends then, what were
/// sent behind that would meet a closed socket.
fn send(writer: &mut impl Write, request: &Value) -> io::Result<()> {
    writer.write_all(format!("{request}\n").as_bytes())
}

/// The words of `xp`'s lines, which read `address: 0x… 0x…`.
fn parse_words(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(_, words)| words.split_whitespace())
        .filter_map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_several_lines_are_read() {
        let text = "0000000000100000: 0x0000000000000001 0xffffffffffffffff\n\
                    0000000000100010: 0x0000000000000003\n";
        assert_eq!(parse_words(text), [1, u64::MAX, 3]);
    }

    /// A QEMU that has ended as soon as it has all of a request.
    struct Obedient(Vec<u8>);

    impl Write for Obedient {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if serde_json::from_slice::<Value>(&self.0).is_ok() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_sent_behind_a_request_that_ends_qemu() {
        send(&mut Obedient(Vec::new()), &json!({"execute": "quit"})).unwrap();
    }

    #[test]
    fn an_error_has_no_words() {
        assert!(parse_words("Cannot access memory").is_empty());
    }
}
