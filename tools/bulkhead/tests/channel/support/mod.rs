//! A machine that is none, on a line that may be bad, and the tool in front of it.

pub mod machine;
pub mod user;

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use mgmt_proto::{FRAME_BYTES, Server};
use serde_json::Value;
use serial2::SerialPort;
use tempfile::TempDir;

use machine::Machine;

/// What is wrong with the line, or with who is at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Good,
    /// Nothing comes back.
    Dead,
    /// Something else speaks there.
    Login,
    /// All comes back as it was sent.
    Echo,
    /// The machine is of another version.
    Version(u8),
    /// Of each request's answers the first so many are lost.
    LosesAnswers(u32),
    /// Every other request arrives damaged.
    DamagesRequests,
    /// Every answer comes twice.
    Twice,
    /// The answer to the last request comes again before the answer to this one.
    Late,
    /// Answers come byte by byte, with a console's text before them.
    Pieces,
    /// The other end hangs up at the first request.
    HangsUp,
    /// One client is served at a time, as emulators do it.
    OneAtATime,
}

/// The far end of a line: a machine, and what is wrong between it and us.
pub struct FarEnd {
    machine: Mutex<Machine>,
    server: Mutex<Server>,
    line: Line,
    pulled: AtomicBool,
}

impl FarEnd {
    pub fn new(machine: Machine, line: Line) -> Self {
        Self {
            machine: Mutex::new(machine),
            server: Mutex::new(Server::new(77)),
            line,
            pulled: AtomicBool::new(false),
        }
    }
}

/// A machine on a UNIX socket.
pub struct Bench {
    end: Arc<FarEnd>,
    folder: TempDir,
}

impl Bench {
    /// The machine of the examples on this line.
    pub fn new(line: Line) -> Self {
        Self::with(Machine::example(), line)
    }

    pub fn with(machine: Machine, line: Line) -> Self {
        let bench = Self {
            end: Arc::new(FarEnd::new(machine, line)),
            folder: TempDir::new().unwrap(),
        };
        let listener = UnixListener::bind(bench.socket()).unwrap();
        let end = Arc::clone(&bench.end);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, end) = (stream.unwrap(), Arc::clone(&end));
                if end.line == Line::OneAtATime {
                    end.serve(stream);
                } else {
                    thread::spawn(move || end.serve(stream));
                }
            }
        });
        bench
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("channel")
    }

    /// A file for the tool to read.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn machine(&self) -> MutexGuard<'_, Machine> {
        self.end.machine.lock().unwrap()
    }

    /// How often the machine has carried out a request that is printed so.
    pub fn asked(&self, what: &str) -> usize {
        let machine = self.machine();
        let asked = machine.asked.iter();
        asked.filter(|asked| asked.starts_with(what)).count()
    }

    /// The machine boots anew: another session, all else as before.
    pub fn reboot(&self) {
        *self.end.server.lock().unwrap() = Server::new(78);
    }

    /// Takes the line away from the machine.
    pub fn pull_plug(&self) {
        self.end.pulled.store(true, Ordering::Relaxed);
    }

    /// Gives the line back.
    pub fn put_plug_in(&self) {
        self.end.pulled.store(false, Ordering::Relaxed);
    }

    /// The tool in front of this machine.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bulkhead"));
        let to = format!("unix:{}", self.socket().display());
        command
            .args(arguments)
            .env("BULKHEAD_CHANNEL", to)
            .stdin(Stdio::null());
        command
    }

    /// Runs `bulkhead ctl` with a second's patience.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        let ctl = ["ctl", "--timeout", "1"];
        self.command(&[&ctl, arguments].concat()).output().unwrap()
    }

    /// What it prints; it must succeed.
    pub fn text(&self, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The JSON objects that it prints; it must succeed.
    pub fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(&[&["--json"], arguments].concat());
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// What it complains about, for people; it must fail with this status.
    pub fn complaint(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.ctl(arguments);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A byte stream that a machine can be at the end of.
pub trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

impl FarEnd {
    /// Answers until the other end hangs up.
    pub fn serve(&self, mut stream: impl Stream) {
        let mut bytes = [0; 4096];
        let mut reads = 0;
        let mut lost = (Vec::new(), 0);
        let mut last = Vec::new();
        loop {
            let bytes = match stream.read(&mut bytes) {
                Ok(0) => return,
                Ok(length) => &mut bytes[..length],
                Err(error) if error.kind() == ErrorKind::TimedOut => continue,
                Err(_) => return,
            };
            reads += 1;
            if self.line == Line::HangsUp || self.pulled.load(Ordering::Relaxed) {
                return;
            }
            if self.line == Line::DamagesRequests && reads % 2 == 1 {
                bytes[bytes.len() / 2] ^= 0x10;
            }
            for answer in self.answers(bytes) {
                let id = payload(&answer)[2..6].to_vec();
                let times = if lost.0 == id { lost.1 + 1 } else { 1 };
                lost = (id, times);
                let is_lost = matches!(self.line, Line::LosesAnswers(most) if times <= most);
                if self.line == Line::Late && stream.write_all(&last).is_err() {
                    return;
                }
                last.clone_from(&answer);
                // The reader may have gone, as readers do.
                if !is_lost && say(&mut stream, self.line, &answer).is_err() {
                    return;
                }
            }
            match self.line {
                Line::Login => stream.write_all(b"\r\nlogin: \0").unwrap(),
                Line::Echo => stream.write_all(bytes).unwrap(),
                _ => {}
            }
        }
    }

    /// What the machine answers, if the request reaches it.
    fn answers(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let is_away = matches!(self.line, Line::Dead | Line::Login | Line::Echo);
        if is_away {
            return Vec::new();
        }
        let mut out = [0; FRAME_BYTES];
        let mut server = self.server.lock().unwrap();
        let mut machine = self.machine.lock().unwrap();
        let answers = bytes.iter().filter_map(|byte| {
            let answer = server.push(*byte, &mut *machine, &mut out);
            answer.map(<[u8]>::to_vec)
        });
        answers.collect()
    }
}

fn say(stream: &mut impl Stream, line: Line, answer: &[u8]) -> std::io::Result<()> {
    match line {
        Line::Twice => stream.write_all(&[answer, answer].concat()),
        Line::Version(version) => stream.write_all(&of_version(answer, version)),
        Line::Pieces => {
            stream.write_all(b"[alpha] some text of a console\n")?;
            for byte in answer {
                stream.write_all(&[*byte])?;
                stream.flush()?;
                thread::sleep(Duration::from_micros(100));
            }
            Ok(())
        }
        _ => stream.write_all(answer),
    }
}

/// The frame as a server of another version would send it.
fn of_version(frame: &[u8], version: u8) -> Vec<u8> {
    let mut payload = payload(frame);
    payload.truncate(payload.len() - 4);
    payload[0] = version;
    let crc = plan::crc32c(&payload);
    payload.extend(crc.to_le_bytes());
    [&[0], &cobs::encode_vec(&payload)[..], &[0]].concat()
}

fn payload(frame: &[u8]) -> Vec<u8> {
    cobs::decode_vec(&frame[1..frame.len() - 1]).unwrap()
}

/// Two ends of a serial line, and the name of the second one's device.
pub fn serial_line() -> (SerialPort, SerialPort, String) {
    let (ours, theirs) = SerialPort::pair().unwrap();
    let link = format!("/proc/self/fd/{}", theirs.as_raw_fd());
    let name = std::fs::read_link(link).unwrap();
    (ours, theirs, name.to_str().unwrap().to_owned())
}
