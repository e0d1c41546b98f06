//! `cargo xtask run`: prepares everything, boots Bulkhead, and shows the partitions'
//! consoles, told apart.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::serial::Heard;
use harness::{Check, Emulator, Event, Machine, Message, Need, Platform, Software, bundle, images};

use crate::bare;
use crate::course::{Course, End};
use crate::guest;
use crate::machine::Choice;
use crate::paths::Paths;
use crate::progress;
use crate::setup;

/// The example plans, as they are in the checkout.
pub const EXAMPLE: &str = "tools/xtask/plans/example.toml";
const EXAMPLE_WITHOUT_FUNCTIONS: &str = "tools/xtask/plans/without-functions.toml";
/// The memory that they are written for.
const EXAMPLE_MEBIBYTES: u32 = 2048;
/// How long to listen before looking whether the user wants to end.
pub const LISTEN: Duration = Duration::from_millis(200);
/// A run that is watched has no end of its own.
const WATCHED_LIMIT: Duration = Duration::from_secs(366 * 24 * 3600);
/// The colours of the partitions' names on a terminal.
const COLOURS: [u8; 5] = [36, 33, 35, 34, 32];

/// Whether the user wants to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Everything that a run needs.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What the machine starts.
    pub software: Software,
    /// The machine.
    pub machine: Machine,
    /// The partitions' names.
    pub partitions: Vec<String>,
    /// Whether the plan has a management channel.
    pub is_managed: bool,
    /// Whether it is the example plan, whose limits are known.
    pub is_example: bool,
}

/// Builds and makes what a run of `plan`, or of the machine's example, needs.
pub fn prepare(paths: &Paths, machine: Choice, plan: Option<&Path>) -> Result<Prepared> {
    if let Some(plan) = plan {
        // Better now than after minutes of building.
        File::open(plan).with_context(|| format!("the plan {}", plan.display()))?;
    }
    let toolchain = setup::run(paths)?;
    let platform = machine.provide(paths)?;
    bare::build_kernel(paths, &toolchain)?;
    guest::build(paths)?;
    let folder = paths.example();
    let is_example = plan.is_none();
    let plan = match plan {
        Some(plan) => plan.to_owned(),
        None => place_example(paths, &platform, &folder)?,
    };
    progress::step("Compiling", &format!("the plan {}", plan.display()));
    let compiled = bundle::compile(&plan)?;
    let module = folder.join("bundle.img");
    fs::write(&module, &compiled.bytes).with_context(|| format!("writing {}", module.display()))?;
    Ok(Prepared {
        software: Software {
            kernel: paths.kernel(),
            module: Some(module),
        },
        machine: describe(platform, &folder)?,
        partitions: compiled.partitions,
        is_managed: compiled.is_managed,
        is_example,
    })
}

/// A plan names its images relative to itself, so the example goes where they are.
fn place_example(paths: &Paths, platform: &Platform, folder: &Path) -> Result<PathBuf> {
    let example = if platform.has(Need::Nvme) {
        EXAMPLE
    } else {
        EXAMPLE_WITHOUT_FUNCTIONS
    };
    let plan = folder.join("plan.toml");
    fs::copy(paths.root.join(example), &plan).with_context(|| format!("copying {example}"))?;
    Ok(plan)
}

/// The machine that the example is written for, with its disks in `folder`.
fn describe(platform: Platform, folder: &Path) -> Result<Machine> {
    let has_nvme = platform.has(Need::Nvme);
    let machine = Machine {
        memory_mebibytes: EXAMPLE_MEBIBYTES,
        ..Machine::without_functions(platform)
    };
    if !has_nvme {
        return Ok(machine);
    }
    let disks = folder.join("disks");
    images::create(&disks)?;
    Ok(machine.with_nvme(&disks))
}

/// Boots and shows the consoles until the run's `end`, or until the user ends it; whether all
/// partitions were started.
pub fn run(paths: &Paths, prepared: &Prepared, end: End) -> Result<bool> {
    let mut emulator = start(paths, prepared)?;
    emulator.limit(WATCHED_LIMIT);
    let name = prepared.machine.platform.name();
    progress::step("Running", &format!("Bulkhead on {name}; Ctrl-C ends it"));
    if let Some(path) = emulator
        .channel_socket()
        .path()
        .filter(|_| prepared.is_managed)
    {
        let line = format!(
            "cargo run --package bulkhead -- ctl --to unix:{} list",
            path.display()
        );
        progress::step("Managing", &line);
    }
    let mut course = Course::new(end, prepared.partitions.len());
    watch(&mut emulator, &mut course)?;
    for problem in course.problems() {
        progress::step("Problem", problem);
    }
    Ok(course.problems().is_empty())
}

/// Shows what the machine says until its course ends, or the user ends it.
fn watch(emulator: &mut Emulator, course: &mut Course) -> Result<()> {
    let mut screen = Screen::new(io::stdout().is_terminal());
    loop {
        match emulator.hear(LISTEN) {
            Heard::Line(line) => {
                let message = Message::parse(&line);
                screen.show(&mut io::stdout(), &message)?;
                let was_over = course.is_over();
                if course.take(&message) {
                    return Ok(());
                }
                if course.is_over() && !was_over {
                    progress::step("Staying", "no guest runs any more; Ctrl-C ends the machine");
                }
            }
            Heard::Silence => {}
            Heard::End if is_interrupted() => {}
            Heard::End => bail!("{:#}", emulator.ending()),
        }
        if is_interrupted() {
            progress::step("Ended", "by the user");
            return Ok(());
        }
    }
}

/// Starts the emulator; from now on Ctrl-C ends it in an orderly way.
pub fn start(paths: &Paths, prepared: &Prepared) -> Result<Emulator> {
    // A second handler in one process is refused; the first one does the same.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let logs = paths.logs().join("run");
    Emulator::start(&prepared.machine, &prepared.software, &logs)
}

/// Whether the user wants to end.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Shows messages to people, each with the name of who said it.
#[derive(Debug)]
pub struct Screen {
    coloured: bool,
    names: Vec<String>,
}

impl Screen {
    /// A screen; `coloured` if it is a terminal.
    pub fn new(coloured: bool) -> Self {
        Self {
            coloured,
            names: Vec::new(),
        }
    }

    /// Shows one message.
    pub fn show(&mut self, output: &mut impl Write, message: &Message) -> Result<()> {
        let (name, text) = match message {
            Message::Text(text) => ("bulkhead", text.clone()),
            Message::Event(event) => match describe_event(event) {
                Some(text) => ("bulkhead", text),
                None => return Ok(()),
            },
            Message::Console { partition, text } => (partition.as_str(), text.clone()),
            Message::Check { partition, check } => (partition.as_str(), describe_check(check)),
            Message::Other(text) => ("", text.clone()),
        };
        if name.is_empty() || !self.coloured {
            let prefix = if name.is_empty() { "" } else { " " };
            let name = if name.is_empty() {
                String::new()
            } else {
                format!("[{name}]")
            };
            writeln!(output, "{name}{prefix}{text}")?;
        } else {
            let colour = self.colour(name);
            writeln!(output, "\x1b[{colour}m[{name}]\x1b[0m {text}")?;
        }
        Ok(())
    }

    fn colour(&mut self, name: &str) -> u8 {
        let index = match self.names.iter().position(|known| known == name) {
            Some(index) => index,
            None => {
                self.names.push(name.to_owned());
                self.names.len().saturating_sub(1)
            }
        };
        let index = index.checked_rem(COLOURS.len()).unwrap_or(0);
        COLOURS.get(index).copied().unwrap_or(0)
    }
}

fn describe_check(check: &Check) -> String {
    let verdict = if check.ok { "holds" } else { "DOES NOT HOLD" };
    let mut text = format!("check {} {verdict}", check.name);
    for (key, value) in &check.values {
        text.push_str(&format!(" {key}={value}"));
    }
    text
}

/// Bulkhead tells each event in words, too, on a line of its own; the exits alone are only in
/// the event.
fn describe_event(event: &Event) -> Option<String> {
    let Event::Stopped { name, exits, .. } = event else {
        return None;
    };
    let exits: Vec<_> = exits.iter().map(|(k, v)| format!("{k} {v}")).collect();
    Some(format!("exits of {name}: {}", exits.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(coloured: bool, line: &str) -> String {
        let mut output = Vec::new();
        Screen::new(coloured)
            .show(&mut output, &Message::parse(line))
            .unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn consoles_keep_their_names_and_have_no_colours_in_a_file() {
        assert_eq!(shown(false, "[alpha] hello"), "[alpha] hello\n");
        assert_eq!(shown(false, "SeaBIOS"), "SeaBIOS\n");
        assert!(shown(true, "[alpha] hello").contains("\x1b["));
    }

    #[test]
    fn a_plan_that_is_not_there_is_named_before_anything_is_built() {
        let paths = Paths::find().unwrap();
        let plan = Some(Path::new("no-such-plan.toml"));
        let error = prepare(&paths, Choice::Qemu, plan).unwrap_err();
        let text = format!("{error:#}");
        assert_eq!(text.matches("no-such-plan.toml").count(), 1, "{text}");
    }

    #[test]
    fn an_event_is_shown_for_its_exits_alone() {
        let stop = r#"[bulkhead] json {"event":"stopped","name":"a","cause":"poweroff","exits":{"cpuid":2}}"#;
        assert_eq!(shown(false, stop), "[bulkhead] exits of a: cpuid 2\n");
        assert_eq!(shown(false, r#"[bulkhead] json {"event":"halted"}"#), "");
    }
}
