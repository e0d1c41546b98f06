//! The guest's machine: a QEMU whose machine protocol is its standard streams (QEMU 10.0,
//! "QEMU Machine Protocol Specification") and whose serial port is a socket.
//!
//! Bounded by whoever bounds the machine that this runs on: QEMU's end closes both.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use crate::console;
use crate::system;

/// The socket that QEMU's serial port is to be connected with.
const SERIAL: &str = "/host/serial";
/// What QEMU complains of.
const ERRORS: &str = "/host/errors";
/// The event after which no virtual processor runs.
const STOPPED: &str = "\"STOP\"";
/// What KVM counts of each virtual processor (Linux 6.1, `arch/x86/kvm/x86.c`,
/// `kvm_vcpu_stats_desc`).
const STATISTICS: &str = r#"{"execute":"query-stats","arguments":{"target":"vcpu","providers":[
{"provider":"kvm","names":["exits","halt_exits","io_exits","irq_exits","irq_window_exits"]}]}}"#;

/// One QEMU with its guest.
pub struct Machine {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    serial: UnixListener,
}

impl Machine {
    /// Starts QEMU; `arguments` has its program and its arguments, one a line.
    pub fn start(arguments: &str) -> io::Result<Self> {
        let serial = UnixListener::bind(SERIAL)?;
        let mut words = arguments.lines();
        let program = words.next().unwrap_or_default();
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(ERRORS)?)
            .spawn()?;
        let streams = child.stdin.take().zip(child.stdout.take());
        let (requests, answers) = streams.ok_or_else(|| io::Error::other("QEMU has no streams"))?;
        Ok(Self {
            child,
            requests,
            answers: BufReader::new(answers),
            serial,
        })
    }

    /// Runs the guest until it has switched itself off, and says what KVM has counted.
    pub fn run(&mut self) -> io::Result<()> {
        self.wait_for("\"QMP\"")?;
        self.request(r#"{"execute":"qmp_capabilities"}"#)?;
        self.wait_for("\"return\"")?;
        // QEMU greets when its devices are made, the connected serial port among them.
        let (serial, _) = self.serial.accept()?;
        let console = thread::spawn(move || show(serial));
        pin_processors(self.child.id())?;
        self.request(r#"{"execute":"cont"}"#)?;
        self.wait_for(STOPPED)?;
        self.request(STATISTICS)?;
        let statistics = self.wait_for("\"stats\"")?;
        self.request(r#"{"execute":"quit"}"#)?;
        self.child.wait()?;
        console
            .join()
            .map_err(|_| io::Error::other("the console's thread panicked"))?;
        console::print(&format!("[kvm] {}", statistics.trim()));
        Ok(())
    }

    /// `error` with what QEMU says.
    pub fn explain(&self, error: &io::Error) -> io::Error {
        let said = fs::read_to_string(ERRORS).unwrap_or_default();
        io::Error::other(format!("{error}; QEMU says: {said}"))
    }

    fn request(&mut self, request: &str) -> io::Result<()> {
        writeln!(self.requests, "{request}")
    }

    /// The next line with `word` in it.
    fn wait_for(&mut self, word: &str) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(io::Error::other(format!("QEMU ended before {word}")));
            }
            if line.contains(word) {
                return Ok(line);
            }
            if line.contains("\"error\"") {
                return Err(io::Error::other(line));
            }
        }
    }
}

/// Shows what the guest prints, line by line, until its end.
fn show(serial: UnixStream) {
    for line in BufReader::new(serial).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        console::print(&format!("[guest] {}", text.trim_end()));
    }
}

/// Binds each virtual processor's thread to a core of its own: the first to core 1, and so on,
/// as with Bulkhead.
fn pin_processors(process: u32) -> io::Result<()> {
    for entry in fs::read_dir(format!("/proc/{process}/task"))? {
        let entry = entry?;
        let name = fs::read_to_string(entry.path().join("comm"))?;
        // With `debug-threads=on` QEMU calls them `CPU 0/KVM` and so on.
        let number = name.strip_prefix("CPU ").and_then(|n| n.split_once('/'));
        let Some(number) = number.and_then(|(number, _)| number.parse::<usize>().ok()) else {
            continue;
        };
        let thread = entry.file_name().to_string_lossy().parse();
        let thread = thread.map_err(|_| io::Error::other("a thread without a number"))?;
        system::pin_thread(thread, number.saturating_add(1))?;
    }
    Ok(())
}
