//! QEMU's machine monitor: looks at the emulated machine from outside.
//!
//! Key type: [`Monitor`], a client of QMP over a Unix socket (QEMU 10.0, "QEMU Machine
//! Protocol Specification"), which passes commands of the human monitor through.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// How long QEMU may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How long to wait before looking for the socket again.
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// A connection to one QEMU's monitor.
#[derive(Debug)]
pub struct Monitor {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Monitor {
    /// Connects to the socket at `path` and leaves negotiation mode.
    pub fn connect(path: &Path) -> Result<Self> {
        let writer = open(path)?;
        writer.set_read_timeout(Some(ANSWER_LIMIT))?;
        let reader = BufReader::new(writer.try_clone()?);
        let mut monitor = Self { reader, writer };
        monitor
            .read_message()
            .context("waiting for QEMU's greeting")?;
        monitor.execute("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    /// Executes one QMP command and returns its answer.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let request = json!({"execute": command, "arguments": arguments});
        send(&mut self.writer, &request).context("writing to QEMU's monitor")?;
        let end = Instant::now().checked_add(ANSWER_LIMIT);
        while end.is_some_and(|end| Instant::now() < end) {
            let mut message = self.read_message()?;
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
        send(&mut self.writer, &json!({"execute": "quit"})).context("asking QEMU to end")
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
        serde_json::from_str(&line).with_context(|| format!("QEMU's monitor said: {line}"))
    }
}

/// Sends `request` in one piece: QEMU obeys at the closing bracket, and if it ends then, what were
/// sent behind that would meet a closed socket.
fn send(writer: &mut impl Write, request: &Value) -> io::Result<()> {
    writer.write_all(format!("{request}\n").as_bytes())
}

/// QEMU makes the socket some time after it has started.
fn open(path: &Path) -> Result<UnixStream> {
    let end = Instant::now().checked_add(ANSWER_LIMIT);
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(_) if end.is_some_and(|end| Instant::now() < end) => {
                std::thread::sleep(RETRY_PAUSE);
            }
            Err(error) => {
                return Err(error).with_context(|| format!("connecting to {}", path.display()));
            }
        }
    }
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
