//! A stock Linux that powers off, restarts or triple-faults ends its partition alone, with the
//! cause told, while a neighbour's checksummed I/O goes on without an error.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Event, Message};

/// Five Linux boots side by side on a slow machine.
const LIMIT: Duration = Duration::from_secs(180);
/// How many reports of I/O must come after the last partition has ended.
const REPORTS_AFTER: usize = 2;

const MACHINE: &str = r#"
version = 2
[machine]
cores = [0, 1, 2, 3, 4]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
[[machine.function]]
address = "02:00.0"
virtual_functions = 4
[[partition]]
name = "alpha"
cores = [1]
memory = [{ start = "0x8000000", size = "512M" }]
[[partition.function]]
physical = "02:00.0"
virtual = 1
namespace = 2
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.mode=io"
"#;

/// The partitions that end: name, core, start of memory, arguments, cause.
const ENDING: [(&str, u32, &str, &str, &str); 3] = [
    (
        "beta",
        2,
        "0x28000000",
        "bulkhead.mode=poweroff",
        "poweroff",
    ),
    ("gamma", 3, "0x38000000", "bulkhead.mode=reboot", "reboot"),
    (
        "delta",
        4,
        "0x48000000",
        "bulkhead.mode=triple reboot=t",
        "triple fault",
    ),
];

/// All three ends in one run.
pub fn each_alone(bench: &Bench) -> Result<()> {
    let mut machine = bench.machine_with_nvme()?;
    machine.processors = 5;
    let mut emulator = bench.start(&machine, &plan())?;
    let causes = causes_during_io(&mut emulator)?;
    for (name, _, _, _, cause) in ENDING {
        let found = causes.get(name).map(String::as_str);
        ensure!(
            found == Some(cause),
            "{name} ended by {found:?}, not {cause}"
        );
    }
    // The rounds go on after the last end, still without an error.
    for _ in 0..REPORTS_AFTER {
        io_report(&mut emulator)?;
    }
    Ok(())
}

/// Waits for I/O, then for all ends; gives their causes. A report with an error fails.
fn causes_during_io(emulator: &mut Emulator) -> Result<BTreeMap<String, String>> {
    let early = io_report(emulator)?;
    ensure!(
        early.is_empty(),
        "{early:?} ended before the neighbour's I/O began"
    );
    let mut causes = BTreeMap::new();
    while causes.len() < ENDING.len() {
        let (name, cause) =
            emulator.wait_for_event("end of a partition", LIMIT, |event| match event {
                Event::Stopped { name, cause, .. } => Some((name.clone(), cause.clone())),
                _ => None,
            })?;
        ensure!(name != "alpha", "alpha ended too, by {cause}");
        causes.insert(name, cause);
    }
    Ok(causes)
}

/// Waits for alpha's next report of rounds without an error; gives who ended before it.
fn io_report(emulator: &mut Emulator) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    let ok = emulator.wait_for("report of alpha's I/O", LIMIT, |message| match message {
        Message::Event(Event::Stopped { name, .. }) => {
            ended.push(name.clone());
            None
        }
        Message::Check { partition, check } if partition == "alpha" && check.name == "io" => {
            Some(check.ok)
        }
        _ => None,
    })?;
    ensure!(ok, "alpha's I/O has errors");
    Ok(ended)
}

fn plan() -> String {
    let ending = ENDING.iter().map(|(name, core, start, arguments, _)| {
        format!(
            r#"
[[partition]]
name = "{name}"
cores = [{core}]
restart = "never"
memory = [{{ start = "{start}", size = "256M" }}]
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.functions=0 bulkhead.delay=20 {arguments}"
"#
        )
    });
    ending.fold(MACHINE.to_owned(), |plan, partition| plan + &partition)
}
