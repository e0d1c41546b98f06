use std::time::Duration;

use addr::ApicId;
use mgmt_proto::{Counters, Event, EventKind, ExitCounts, Name, State, StopCause, Summary};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::channel::{Machine, Records, Shown, Text};
use crate::top::watch::{News, Round};

const README: &str = include_str!("../../../../../README.md");

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn summary(text: &str, cores: u16) -> Summary {
    Summary {
        name: name(text),
        state: State::Running,
        in_state_milliseconds: 11_520_000,
        last_stop: None,
        restarts: 0,
        cores,
        memory_bytes: 640 << 20,
    }
}

fn counters(text: &str, exits: &[(ExitReason, u64)]) -> Counters {
    let count = |reason| {
        let found = exits.iter().find(|(of, _)| *of == reason);
        found.map_or(0, |(_, count)| *count)
    };
    Counters {
        name: name(text),
        exits: ExitCounts::new(count),
        denied: 307,
        faults: 0,
        console_dropped_bytes: 0,
    }
}

fn entered(milliseconds: u64, state: State, cause: Option<StopCause>) -> Event {
    Event {
        milliseconds,
        kind: EventKind::Entered {
            partition: name("beta"),
            state,
            cause,
        },
    }
}

/// A machine on which `beta` has just been started again.
fn model() -> Model {
    let mut model = Model::new(&"/dev/ttyUSB0".parse().unwrap());
    let mut beta = summary("beta", 2);
    beta.in_state_milliseconds = 4_200;
    beta.restarts = 1;
    beta.last_stop = Some(StopCause::PowerOff);
    let shown = |summary, cores: &[u32]| Shown {
        summary,
        cores: cores.iter().map(|core| ApicId(*core)).collect(),
        functions: Vec::new(),
        images: Vec::new(),
        largest_image: None,
    };
    let machine = Machine {
        build: "0.1.0".into(),
        back_end: "svm".into(),
        plan_crc32c: 0x0bad_cafe,
        partitions: 2,
        housekeeping: ApicId(0),
        uptime_milliseconds: 11_524_000,
    };
    let alpha = summary("alpha", 1);
    let partitions = vec![shown(alpha, &[1]), shown(beta, &[2, 3])];
    model.learn(News::Greeted(machine, partitions));
    let boot = [
        (ExitReason::Cpuid, 457),
        (ExitReason::MsrRead, 17),
        (ExitReason::MsrWrite, 11),
        (ExitReason::PortIo, 682),
        (ExitReason::ConfigSpaceWrite, 19),
    ];
    model.learn(News::Round(Round {
        partitions: vec![alpha, beta],
        counters: vec![counters("alpha", &boot), counters("beta", &boot)],
        answer_time: Duration::from_millis(11),
    }));
    model.learn(News::Events(Records {
        first: 2,
        end: 6,
        records: vec![
            entered(11_517_004, State::Stopping, None),
            entered(11_519_322, State::Stopped, Some(StopCause::PowerOff)),
            entered(11_519_330, State::Starting, None),
            entered(11_519_794, State::Running, None),
        ],
    }));
    model.select_next();
    let text = "Debian GNU/Linux 12 beta hvc0\r\n\r\nbeta login: ";
    model.learn(News::Console(
        name("beta"),
        Text {
            first: 0,
            end: 0,
            bytes: text.into(),
        },
    ));
    model
}

/// The screen's lines, without what is blank at their ends.
fn screen(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content().chunks(usize::from(width));
    let lines = rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    });
    lines.collect()
}

#[test]
fn the_screen_is_the_one_in_the_readme() {
    let screen = screen(&model(), 104, 24);
    assert!(README.contains(&screen), "the README should have\n{screen}");
}

#[test]
fn a_problem_is_shown_whole_and_the_last_state_stays() {
    let mut model = model();
    let problem = "no answer on /dev/ttyUSB0: is the machine on, and does Bulkhead run there \
                   with a management channel, and is the cable in?";
    model.learn(News::Problem(problem.into()));
    let shown = screen(&model, 80, 24);
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(problem), "{shown}");
    assert!(words.contains("beta running"), "{shown}");
    assert!(words.contains("q leave"), "{shown}");
}

#[test]
fn a_narrow_screen_has_fewer_columns_and_none_is_cut() {
    let mut model = model();
    model.address = "unix:/run/bulkhead-31474-0.channel".to_owned();
    for (width, has, has_not) in [
        (
            80,
            ["beta", "2-3", "4.2 s", "PER S"],
            ["LAST STOP", "plan 0bad"],
        ),
        (
            60,
            ["beta", "running", "4.2 s", "PER S"],
            ["MEMORY", "answers in"],
        ),
    ] {
        let shown = screen(&model, width, 24);
        for text in has {
            assert!(shown.contains(text), "{text} at {width}\n{shown}");
        }
        for text in has_not {
            assert!(!shown.contains(text), "{text} at {width}\n{shown}");
        }
        let title = shown.lines().next().unwrap();
        assert!(title.ends_with("up 3 h 12 min"), "{shown}");
    }
    let shown = screen(&model, 59, 24);
    assert_eq!(shown.trim(), "too narrow: 60 columns are needed");
}

#[test]
fn every_size_can_be_drawn() {
    let mut model = model();
    for view in [View::All, View::Console, View::Events] {
        model.view = view;
        for width in [1, 2, 40, 79, 200] {
            for height in [1, 2, 5, 9, 40] {
                screen(&model, width, height);
            }
        }
    }
}

#[test]
fn a_view_of_its_own_has_the_whole_space() {
    let mut model = model();
    model.toggle(View::Console);
    let console = screen(&model, 80, 24);
    assert!(
        console.contains("Console of beta") && !console.contains("Events of"),
        "{console}"
    );
    assert!(!console.contains("Exits of"), "{console}");
    model.toggle(View::Console);
    assert!(screen(&model, 80, 24).contains("Exits of beta"));
}

#[test]
fn another_partitions_console_begins_empty() {
    let mut model = model();
    let text = Text {
        first: 0,
        end: 0,
        bytes: b"alpha login:".to_vec(),
    };
    model.learn(News::Console(name("alpha"), text));
    let shown = screen(&model, 80, 24);
    assert!(shown.contains("alpha login:"), "{shown}");
    assert!(!shown.contains("beta login:"), "{shown}");
}

#[test]
fn rates_are_counted_between_two_rounds() {
    let mut model = model();
    std::thread::sleep(Duration::from_millis(20));
    model.learn(News::Round(Round {
        partitions: Vec::new(),
        counters: vec![counters("beta", &[(ExitReason::Cpuid, 557)])],
        answer_time: Duration::ZERO,
    }));
    let beta = model.selected_partition().unwrap();
    let cpuid = beta.rates[ExitReason::Cpuid.index()];
    assert!(cpuid > 0.0 && cpuid <= 100.0 / 0.02, "{cpuid}");
    // A count that went back belongs to another beginning, and is no rate.
    assert!(beta.rates[ExitReason::PortIo.index()].abs() < f64::EPSILON);
}
