//! What is wrong with the line, or with who is at its other end.

use std::fs::File;
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use mgmt_proto::VERSION;

use crate::support::machine::Machine;
use crate::support::{Bench, FarEnd, Line, serial_line};

/// The tool's answer to a bad line, where everything ends in an error.
fn complaint(line: Line) -> String {
    Bench::new(line).complaint(2, &["list"])
}

#[test]
fn a_dead_line_is_given_up_in_time_with_what_to_look_at() {
    let begin = Instant::now();
    let text = complaint(Line::Dead);
    assert!(begin.elapsed().as_secs() < 10);
    assert!(text.contains("no answer on unix:"), "{text}");
    assert!(text.contains("remedy: is the machine on"), "{text}");
}

#[test]
fn what_is_no_bulkhead_is_said_to_be_none() {
    let text = complaint(Line::Login);
    assert!(text.contains("bytes that are no frames"), "{text}");
    assert!(text.contains("firmware or another system"), "{text}");
}

#[test]
fn an_echo_is_said_to_be_one() {
    let text = complaint(Line::Echo);
    assert!(text.contains("sends back what it is sent"), "{text}");
}

#[test]
fn another_version_is_named_with_the_tool_to_use() {
    let theirs = VERSION + 1;
    let text = complaint(Line::Version(theirs));
    let both = format!("speaks version {theirs} of the protocol, this tool {VERSION}");
    assert!(text.contains(&both), "{text}");
    assert!(
        text.contains("use the `bulkhead` that was built with"),
        "{text}"
    );
}

#[test]
fn a_line_that_breaks_is_lost() {
    let text = complaint(Line::HangsUp);
    assert!(
        text.contains("lost unix:") && text.contains("end of file"),
        "{text}"
    );
}

#[test]
fn an_answer_may_come_twice_or_in_pieces_or_late() {
    for line in [
        Line::Good,
        Line::Twice,
        Line::Late,
        Line::Pieces,
        Line::DamagesRequests,
        Line::LosesAnswers(3),
    ] {
        let bench = Bench::new(line);
        let text = bench.text(&["list"]);
        assert!(text.contains("alpha  running"), "{line:?}: {text}");
    }
}

#[test]
fn a_request_whose_answer_is_lost_is_repeated_and_done_once() {
    let bench = Bench::new(Line::LosesAnswers(2));
    bench.text(&["stop", "--force", "--no-wait", "beta"]);
    assert_eq!(bench.asked("Stop"), 1);
    // What changes nothing is simply done again.
    assert_eq!(bench.asked("List"), 3);
}

#[test]
fn where_nobody_listens_the_remedy_fits_the_address() {
    let bench = Bench::new(Line::Good);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let tcp = format!("tcp:{}", port.unwrap());
    for (to, remedy) in [
        ("/dev/ttyNONE", "plug the adapter in"),
        ("/dev/null", "is this one a serial device?"),
        ("unix:/nonexistent", "start the emulator"),
        (&*tcp, "start the terminal server"),
        ("tcp:nohost", "is it HOST:PORT"),
        ("localhost:1234", "did you mean tcp:localhost:1234?"),
        ("unix:/tmp", "/tmp is no socket"),
    ] {
        let text = bench.complaint(2, &["list", "--to", to]);
        assert!(text.contains(remedy), "{to}: {text}");
    }
}

#[test]
fn without_an_address_the_tool_says_how_to_give_one() {
    let bench = Bench::new(Line::Good);
    let mut unset = bench.command(&["ctl", "list"]);
    unset.env_remove("BULKHEAD_CHANNEL");
    let mut empty = bench.command(&["ctl", "list"]);
    empty.env("BULKHEAD_CHANNEL", "");
    for command in [&mut unset, &mut empty] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("--to ADDRESS"), "{text}");
    }
}

#[test]
fn programs_get_their_errors_in_json() {
    let bench = Bench::new(Line::Dead);
    let output = bench.ctl(&["list", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error"], "no-answer");
    assert!(error["remedy"].is_string());
}

#[test]
fn a_machine_is_reached_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp:{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        FarEnd::new(Machine::example(), Line::Good).serve(stream);
    });
    let text = Bench::new(Line::Good).text(&["list", "--to", &to]);
    assert!(text.contains("beta"), "{text}");
}

#[test]
fn a_machine_is_reached_over_a_serial_device() {
    let (ours, _theirs, name) = serial_line();
    thread::spawn(move || {
        FarEnd::new(Machine::example(), Line::Pieces).serve(ours);
    });
    let text = Bench::new(Line::Good).text(&["list", "--to", &name, "--baud", "115200"]);
    assert!(text.contains("beta"), "{text}");
}

#[test]
fn a_serial_device_in_use_is_busy() {
    let (_ours, _theirs, name) = serial_line();
    let other = File::open(&name).unwrap();
    other.lock().unwrap();
    let text = Bench::new(Line::Good).complaint(2, &["list", "--to", &name]);
    assert!(text.contains("in use by another program"), "{text}");
    assert!(text.contains("fuser -v"), "{text}");
}
