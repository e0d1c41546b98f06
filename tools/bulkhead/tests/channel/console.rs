//! `bulkhead ctl console`: a script's, and a user's at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serial2::SerialPort;

use crate::support::{Bench, Line, serial_line};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_dump_is_what_the_guest_has_printed() {
    let bench = Bench::new(Line::Good);
    let text = bench.text(&["console", "--dump", "alpha"]);
    assert_eq!(text, "Welcome to alpha\r\nalpha login: ");
    let end = bench.json(&["console", "--dump", "--history", "7", "alpha"]);
    assert_eq!(end[0]["text"], "login: ");
    assert_eq!(end[0]["end"], 31);
}

#[test]
fn a_long_history_takes_many_answers() {
    let bench = Bench::new(Line::Twice);
    let long = "0123456789\n".repeat(1000);
    bench.machine().partitions[0].console = long.clone().into_bytes();
    let text = bench.text(&["console", "--dump", "--history", "100000", "alpha"]);
    assert_eq!(text, long);
    bench.machine().partitions[0].console_dropped = 110 * 11;
    let text = bench.text(&["console", "--dump", "--history", "100000", "alpha"]);
    assert_eq!(text, long[110 * 11..]);
}

#[test]
fn a_script_is_typed_once_and_its_echo_waited_for() {
    let bench = Bench::new(Line::LosesAnswers(1));
    let mut command =
        bench.command(&["ctl", "--timeout", "1", "console", "--history", "0", "beta"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = "echo hello\n".repeat(100);
    child
        .stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), script);
}

/// A user at a terminal with a console on it.
struct User {
    terminal: SerialPort,
    seen: String,
    child: Child,
}

impl User {
    fn new(bench: &Bench) -> Self {
        let (mut terminal, _other, name) = serial_line();
        terminal
            .set_read_timeout(Duration::from_millis(50))
            .unwrap();
        let open = || File::options().read(true).write(true).open(&name);
        let stdio = || Stdio::from(open().unwrap());
        let child = bench
            .command(&["ctl", "--timeout", "1", "console", "alpha"])
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        Self {
            terminal,
            seen: String::new(),
            child,
        }
    }

    /// Waits for a text on the terminal.
    fn sees(&mut self, text: &str) {
        let begin = Instant::now();
        let mut buffer = [0; 1024];
        while !self.seen.contains(text) {
            assert!(begin.elapsed() < PATIENCE, "{:?}", self.seen);
            if let Ok(length) = Read::read(&mut self.terminal, &mut buffer) {
                self.seen
                    .push_str(&String::from_utf8_lossy(&buffer[..length]));
            }
        }
    }

    fn types(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).unwrap();
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_user_sees_the_history_types_and_leaves() {
    let bench = Bench::new(Line::Good);
    let mut user = User::new(&bench);
    user.sees("Ctrl-] leaves it.");
    user.sees("alpha login: ");
    user.types("ro\x03ot\r");
    // Ctrl-C is the guest's.
    user.sees("ro\x03ot\r");
    bench.machine().partitions[0]
        .console
        .extend(b"\r\nPassword: ");
    user.sees("Password: ");
    user.types("\x1d");
    assert!(user.child.wait().unwrap().success());
}

#[test]
fn a_restart_of_the_machine_does_not_end_a_console() {
    let bench = Bench::new(Line::Good);
    let mut user = User::new(&bench);
    user.sees("alpha login: ");
    bench.machine().partitions[0].console = b"booting anew".to_vec();
    bench.reboot();
    user.sees("the machine has restarted");
    user.sees("booting anew");
}

#[test]
fn a_guest_that_does_not_read_rings_the_bell() {
    let bench = Bench::new(Line::Good);
    bench.machine().partitions[0].asleep = true;
    let mut user = User::new(&bench);
    user.sees("alpha login: ");
    for _ in 0..3 {
        user.types(&"x".repeat(900));
    }
    user.sees("\x07");
    user.types("\x1d");
    assert!(user.child.wait().unwrap().success());
}
