//! `bulkhead ctl console`: a script's, and a user's at a terminal.

use std::io::Write;
use std::process::Stdio;

use crate::support::user::User;
use crate::support::{Bench, Line};

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

fn user(bench: &Bench) -> User {
    User::new(bench, &["ctl", "--timeout", "1", "console", "alpha"])
}

#[test]
fn a_user_sees_the_history_types_and_leaves() {
    let bench = Bench::new(Line::Good);
    let mut user = user(&bench);
    user.sees("Ctrl-] leaves it.");
    user.sees("alpha login: ");
    user.types("ro\x03ot\r");
    // Ctrl-C is the guest's.
    user.gets("ro\x03ot\r");
    bench.machine().partitions[0]
        .console
        .extend(b"\r\nPassword: ");
    user.sees("Password: ");
    user.types("\x1d");
    assert!(user.has_left());
}

#[test]
fn a_restart_of_the_machine_does_not_end_a_console() {
    let bench = Bench::new(Line::Good);
    let mut user = user(&bench);
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
    let mut user = user(&bench);
    user.sees("alpha login: ");
    for _ in 0..3 {
        user.types(&"x".repeat(900));
    }
    user.gets("\x07");
    user.types("\x1d");
    assert!(user.has_left());
}
