//! A user at a terminal, with the tool on it.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serial2::SerialPort;

use super::{Bench, serial_line};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The terminal's size, as `stty` and as the emulator of one want it.
const SIZE: [&str; 4] = ["cols", "100", "rows", "30"];
const ROWS_AND_COLUMNS: (u16, u16) = (30, 100);

/// A user at a terminal.
pub struct User {
    terminal: SerialPort,
    /// Keeps the terminal there when the tool has left it.
    _other: SerialPort,
    screen: vt100::Parser,
    /// Everything that came, for what no screen shows.
    bytes: String,
    child: Child,
}

impl User {
    /// Runs the tool on a new terminal.
    pub fn new(bench: &Bench, arguments: &[&str]) -> Self {
        let (mut terminal, other, name) = serial_line();
        terminal
            .set_read_timeout(Duration::from_millis(50))
            .unwrap();
        let mut stty = Command::new("stty");
        let status = stty.args(["-F", &name]).args(SIZE).status();
        assert!(status.unwrap().success());
        let open = || File::options().read(true).write(true).open(&name);
        let stdio = || Stdio::from(open().unwrap());
        let child = bench
            .command(arguments)
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        Self {
            terminal,
            _other: other,
            screen: vt100::Parser::new(ROWS_AND_COLUMNS.0, ROWS_AND_COLUMNS.1, 0),
            bytes: String::new(),
            child,
        }
    }

    /// Waits for a text on the screen.
    pub fn sees(&mut self, text: &str) {
        self.wait_until(text, |user| user.screen.screen().contents().contains(text));
    }

    /// Waits for bytes that no screen shows.
    pub fn gets(&mut self, bytes: &str) {
        self.wait_until(bytes, |user| user.bytes.contains(bytes));
    }

    fn wait_until(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !is_there(self) {
            let screen = self.screen.screen().contents();
            assert!(begin.elapsed() < PATIENCE, "no {what:?} on\n{screen}");
            self.look();
        }
    }

    fn look(&mut self) {
        let mut buffer = [0; 4096];
        if let Ok(length) = Read::read(&mut self.terminal, &mut buffer) {
            let bytes = &buffer[..length];
            self.screen.process(bytes);
            self.bytes.push_str(&String::from_utf8_lossy(bytes));
        }
    }

    pub fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the tool has ended; whether it is content.
    pub fn has_left(&mut self) -> bool {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            self.look();
        }
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
