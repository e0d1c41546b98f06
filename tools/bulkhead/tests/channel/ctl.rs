//! What `bulkhead ctl` asks, and what it makes of the answers.

use addr::RequesterId;
use mgmt_proto::{EventKind, Fault, FunctionStatus, Health, Name, State, StopCause};

use crate::support::machine::{Machine, Partition};
use crate::support::{Bench, Line};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The text without what differs from run to run: the times.
fn without_times(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('[') {
        let Some((_, behind)) = behind.split_once(']') else {
            break;
        };
        result.push_str(before);
        result.push_str("[time]");
        rest = behind;
    }
    result + rest
}

#[test]
fn list_shows_the_partitions_in_columns() {
    let bench = Bench::new(Line::Good);
    let text = bench.text(&["list"]);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(
        lines[0],
        "NAME   STATE      FOR  CORES   MEMORY  RESTARTS  LAST STOP"
    );
    assert!(lines[2].ends_with(" s  2-3    640 MiB         0"), "{text}");
    let beta = &bench.json(&["list"])[0]["partitions"][1];
    assert_eq!(beta["cores"], 2);
    assert_eq!(beta["core_ids"], serde_json::json!([2, 3]));
    assert!(lines[1].starts_with("alpha  running  0."), "{text}");
    assert!(lines[1].ends_with(" s  1      640 MiB         0"), "{text}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn more_partitions_than_fit_an_answer_are_all_listed() {
    let names: Vec<_> = (0..64)
        .map(|number| format!("partition-number-{number}"))
        .collect();
    let partitions = names
        .iter()
        .map(|name| Partition::new(name, &[1]))
        .collect();
    let bench = Bench::with(Machine::new(partitions), Line::Good);
    let list = bench.json(&["list"]);
    let listed: Vec<_> = list[0]["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(listed, names.iter().collect::<Vec<_>>());
    assert!(bench.asked("List") > 1);
    assert_eq!(bench.json(&["counters"]).len(), 64);
}

#[test]
fn a_list_that_no_plan_could_have_is_not_followed_to_its_end() {
    let partition = |number: usize| Partition::new(&format!("partition-{number}"), &[1]);
    let partitions = (0..=plan::MAX_PARTITIONS).map(partition).collect();
    let bench = Bench::with(Machine::new(partitions), Line::Good);
    let text = bench.complaint(2, &["list"]);
    assert!(text.contains("does not fit the question"), "{text}");
}

#[test]
fn show_tells_all_about_a_partition() {
    let mut beta = Partition::new("beta", &[2, 3]);
    beta.state = State::Failed;
    beta.last_stop = Some(StopCause::DeviceReset {
        function: RequesterId(0x202),
    });
    beta.functions.push(FunctionStatus {
        function: RequesterId(0x202),
        health: Health::ResetFailed,
    });
    let bench = Bench::with(Machine::new(vec![beta]), Line::Good);
    let text = bench.text(&["show", "beta"]);
    let (state, rest) = text.split_once("\nlast stop").unwrap();
    assert!(state.contains("state         failed for 0."), "{text}");
    assert_eq!(
        rest,
        "     02:00.2 did not come back from reset
restarts      0
cores         2-3
memory        640 MiB
functions     02:00.1, 02:00.2 (did not come back from reset)
kernel        8000000 bytes, CRC-32C 0000c0de
initrd        20000000 bytes, CRC-32C 0000d15c
replaceable   by images of up to 1048576 bytes
denied        307
faults        0
console       0 bytes dropped
exits         1139 (cpuid 457, port-io 682)
"
    );
    let shown = &bench.json(&["show", "beta"])[0];
    assert_eq!(shown["cores"], serde_json::json!([2, 3]));
    assert_eq!(shown["functions"][1]["health"], "reset-failed");
    assert_eq!(shown["last_stop"]["cause"], "device-reset");
    assert_eq!(shown["counters"]["exits"]["port-io"], 682);
}

#[test]
fn show_tells_all_about_the_machine() {
    let bench = Bench::new(Line::DamagesRequests);
    let text = bench.text(&["show"]);
    assert!(text.contains("plan          0badcafe"), "{text}");
    let machine = &bench.json(&["show"])[0];
    assert_eq!(machine["build"], "0.1.0 (example)");
    let dropped = &machine["channel"]["dropped"];
    assert!(
        dropped
            .as_object()
            .unwrap()
            .values()
            .any(|count| *count != 0),
        "{dropped}"
    );
}

#[test]
fn an_unknown_partition_is_answered_with_those_there_are() {
    let bench = Bench::new(Line::Good);
    for arguments in [
        &["show", "gamma"][..],
        &["start", "gamma"],
        &["stop", "gamma"],
        &["restart", "gamma"],
        &["console", "gamma"],
        &["counters", "gamma"],
        &["replace", "gamma", "kernel", "/dev/null"],
    ] {
        let text = bench.complaint(1, arguments);
        assert!(text.contains("has no partition \"gamma\""), "{text}");
        assert!(text.contains("remedy: there are alpha, beta"), "{text}");
    }
}

#[test]
fn stop_and_start_show_what_happens_until_it_has() {
    let bench = Bench::new(Line::Good);
    let stopped = bench.text(&["stop", "beta"]);
    assert_eq!(
        without_times(&stopped),
        "[time] beta is stopping\n[time] beta is stopped: poweroff\n"
    );
    assert_eq!(
        bench.asked("Stop { partition: \"beta\", manner: Asked { timeout_milliseconds: 60000 } }"),
        1
    );
    let started = bench.json(&["start", "beta"]);
    let states: Vec<_> = started.iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["starting", "running"]);
    let forced = bench.text(&["stop", "--force", "beta"]);
    assert!(forced.contains("stopped: administrator"), "{forced}");
    let asked = bench.text(&["list"]);
    assert!(asked.contains("administrator"), "{asked}");
}

#[test]
fn what_is_so_already_is_said_and_not_waited_for() {
    let bench = Bench::new(Line::Good);
    let noted = |arguments: &[&str]| {
        let output = bench.ctl(arguments);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, b"");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(noted(&["start", "beta"]), "beta runs already\n");
    bench.text(&["stop", "beta"]);
    assert_eq!(noted(&["stop", "beta"]), "beta is stopped already\n");
}

#[test]
fn no_time_at_all_is_no_patience() {
    let bench = Bench::new(Line::Good);
    for arguments in [
        &["ctl", "list", "--timeout", "0"][..],
        &["top", "--interval", "0.05"],
    ] {
        let output = bench.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("at least 0.1"), "{text}");
    }
}

#[test]
fn a_guest_that_cannot_be_asked_is_stopped_only_by_force() {
    let bench = Bench::new(Line::Good);
    bench.machine().partitions[1].asleep = true;
    let text = bench.complaint(1, &["stop", "beta"]);
    assert!(text.contains("beta cannot be asked"), "{text}");
    assert!(text.contains("--force"), "{text}");
    let forced = bench.text(&["stop", "--force", "beta"]);
    assert!(forced.contains("stopped: administrator"), "{forced}");
}

#[test]
fn restart_waits_until_the_partition_runs_again() {
    let bench = Bench::new(Line::Good);
    let text = bench.text(&["restart", "--within", "2.5", "alpha"]);
    assert_eq!(
        without_times(&text),
        "[time] alpha is stopping\n[time] alpha is stopped: administrator\n\
         [time] alpha is starting\n[time] alpha is running\n"
    );
    assert_eq!(
        bench.asked(
            "Restart { partition: \"alpha\", manner: Asked { timeout_milliseconds: 2500 } }"
        ),
        1
    );
}

#[test]
fn a_partition_that_fails_is_no_success() {
    let mut machine = Machine::example();
    machine.partitions[1].is_broken = true;
    let bench = Bench::with(machine, Line::Good);
    let text = bench.complaint(1, &["restart", "beta"]);
    assert!(
        text.contains("beta was to be running, and has failed"),
        "{text}"
    );
}

#[test]
fn a_refusal_says_what_to_do() {
    let bench = Bench::new(Line::Good);
    bench.machine().partitions[0].state = State::Failed;
    let text = bench.complaint(1, &["start", "alpha"]);
    assert!(text.contains("the partition's state is failed"), "{text}");
    assert!(text.contains("remedy: `ctl show` and `ctl log`"), "{text}");
}

#[test]
fn events_are_numbered_and_the_lost_ones_counted() {
    let mut machine = Machine::example();
    machine.first_event = 40;
    machine.happened(EventKind::RestartPlanned {
        partition: name("beta"),
        after_milliseconds: 2000,
    });
    machine.happened(EventKind::Entered {
        partition: name("beta"),
        state: State::Stopped,
        cause: Some(StopCause::EntryFailure { code: 33 }),
    });
    let bench = Bench::with(machine, Line::Good);
    let output = bench.ctl(&["events"]);
    assert_eq!(
        without_times(&String::from_utf8(output.stdout).unwrap()),
        "[time] alpha is running\n[time] beta is running\n\
         [time] beta starts again in 2.0 s\n[time] beta is stopped: entry failure 0x21\n"
    );
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(notes.contains("40 older records are gone"), "{notes}");
    let late = bench.json(&["events", "--from", "43"]);
    assert_eq!(late.len(), 1);
    assert_eq!(late[0]["number"], 43);
    assert_eq!(late[0]["cause"]["cause"], "entry-failure");
}

#[test]
fn many_events_take_many_answers() {
    let mut machine = Machine::example();
    for number in 0..500 {
        machine.happened(EventKind::RestartPlanned {
            partition: name("beta"),
            after_milliseconds: number,
        });
    }
    let events = Bench::with(machine, Line::LosesAnswers(1)).json(&["events"]);
    let numbers: Vec<_> = events
        .iter()
        .map(|one| one["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..502).collect::<Vec<_>>());
}

#[test]
fn faults_name_function_and_owner() {
    let mut machine = Machine::example();
    let fault = Fault {
        milliseconds: 5,
        partition: Some(name("beta")),
        requester: RequesterId(0x202),
        reason: 6,
        address: 0xdead_b000,
        interrupt_index: None,
    };
    machine.faults.push(fault);
    machine.faults.push(Fault {
        partition: None,
        interrupt_index: Some(9),
        ..fault
    });
    let bench = Bench::with(machine, Line::Good);
    assert_eq!(
        without_times(&bench.text(&["faults"])),
        "[time] beta: 02:00.2 was refused an access to 0xdeadb000, reason 0x06\n\
         [time] nobody: 02:00.2 was refused an interrupt by entry 9, reason 0x06\n"
    );
    assert_eq!(bench.json(&["faults"])[1]["interrupt_index"], 9);
}

#[test]
fn the_log_comes_whole() {
    let mut machine = Machine::example();
    machine.log = (0..2000)
        .map(|number| format!("line {number}\n"))
        .collect::<String>()
        .into();
    let log = machine.log.clone();
    let bench = Bench::with(machine, Line::Good);
    assert_eq!(bench.ctl(&["log"]).stdout, log);
}

#[test]
fn what_the_log_says_to_programs_is_hidden_from_people() {
    let mut machine = Machine::example();
    let lines = |number: u32| {
        format!(
            "[bulkhead] line {number}\n[bulkhead] json {{\"event\":\"halted\"}}\n[alpha] json {{}}\n"
        )
    };
    machine.log = (0..300).map(lines).collect::<String>().into();
    machine.log.extend(b"[bulkhead] unfinished");
    let log = String::from_utf8(machine.log.clone()).unwrap();
    let bench = Bench::with(machine, Line::Good);
    let text = bench.text(&["log"]);
    let expected = log.replace("[bulkhead] json {\"event\":\"halted\"}\n", "");
    assert!(text == expected, "{text}");
    let all: String = bench
        .json(&["log"])
        .iter()
        .map(|part| part["text"].as_str().unwrap())
        .collect();
    assert!(all == log, "{all}");
}

#[test]
fn counters_are_those_of_one_or_of_all() {
    let bench = Bench::new(Line::Good);
    let text = bench.text(&["counters", "alpha"]);
    assert_eq!(
        text,
        "PARTITION  COUNTER                COUNT
alpha      exits                   1139
alpha      denied accesses          307
alpha      faults                     0
alpha      console bytes dropped      0
alpha      exits: cpuid             457
alpha      exits: port-io           682
"
    );
    assert_eq!(bench.json(&["counters"]).len(), 2);
    assert_eq!(bench.json(&["counters", "beta"])[0]["exits"]["cpuid"], 457);
}

#[test]
fn the_machine_is_reset_only_if_that_is_meant() {
    let bench = Bench::new(Line::Good);
    let text = bench.complaint(2, &["reset"]);
    assert!(text.contains("say --yes if that is meant"), "{text}");
    assert_eq!(bench.asked("ResetMachine"), 0);
    bench.text(&["reset", "--yes"]);
    assert_eq!(bench.asked("ResetMachine"), 1);
}

#[test]
fn the_machine_is_sealed_only_if_that_is_meant() {
    let bench = Bench::new(Line::Good);
    let text = bench.complaint(2, &["seal"]);
    assert!(text.contains("say --yes if that is meant"), "{text}");
    assert_eq!(bench.asked("Seal"), 0);
    let text = bench.text(&["seal", "--yes"]);
    assert!(text.contains("207501 of 283254 bytes"), "{text}");
    // Again, it is sealed as it was.
    bench.text(&["seal", "--yes"]);
    let events = bench.text(&["events"]);
    assert_eq!(
        events.matches("the machine is sealed").count(),
        1,
        "{events}"
    );
}

#[test]
fn what_a_sealed_machine_refuses_has_its_reason() {
    let bench = Bench::new(Line::Good);
    bench.text(&["seal", "--yes"]);
    let text = bench.complaint(1, &["restart", "--force", "alpha"]);
    assert!(text.contains("the machine is sealed"), "{text}");
    assert!(text.contains("after the machine's reset"), "{text}");
}
