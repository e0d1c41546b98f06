//! A stock Linux that powers off, restarts or triple-faults ends its partition alone, with the
//! cause told, while a neighbour goes on without an error: with checksummed I/O where there is
//! a disk to give it, elsewhere with measurements in which not one exit is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Event, Machine, Message, Need};

use crate::plans;

/// Five Linux boots side by side on a slow machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The partition `alpha`, which goes on while the others end.
struct Neighbour {
    /// Its functions, as the plan's source has them.
    functions: &'static str,
    /// What it does.
    arguments: &'static str,
    /// How many seconds the others wait before they end.
    delay: u32,
    /// The report that comes before any other partition ends.
    first: &'static str,
    /// Those that come after the last one has ended.
    last: [&'static str; 2],
}

/// With a disk it writes, reads back and compares, and reports every few rounds.
const WITH_DISK: Neighbour = Neighbour {
    functions: "[[partition.function]]\nphysical = \"02:00.0\"\nvirtual = 1\nnamespace = 2\n",
    arguments: "bulkhead.mode=io",
    delay: 20,
    first: "io",
    last: ["io", "io"],
};
/// Without one it measures its exits, idle and then in a loop: long enough for the others to
/// end meanwhile.
const WITHOUT_DISK: Neighbour = Neighbour {
    functions: "",
    arguments: "bulkhead.memory=640M bulkhead.functions=0 bulkhead.seconds=15",
    delay: 8,
    first: "exits_boot",
    last: ["exits_idle", "exits_loop"],
};

/// The partitions that end: name, core, start of memory, arguments, cause.
const ENDING: [(&str, u32, &str, &str, &str); 3] = [
    (
        "beta",
        2,
        "0x30000000",
        "bulkhead.mode=poweroff",
        "poweroff",
    ),
    ("gamma", 3, "0x40000000", "bulkhead.mode=reboot", "reboot"),
    (
        "delta",
        4,
        "0x50000000",
        "bulkhead.mode=triple reboot=t",
        "triple fault",
    ),
];

/// All three ends in one run.
pub fn each_alone(bench: &Bench) -> Result<()> {
    let (machine, neighbour) = if bench.has(Need::Nvme) {
        (bench.machine_with_nvme()?, WITH_DISK)
    } else {
        (bench.machine(), WITHOUT_DISK)
    };
    let machine = Machine {
        processors: 5,
        memory_mebibytes: 2048,
        ..machine
    };
    let mut emulator = bench.start(&machine, &plan(&machine, &neighbour))?;
    let early = report(&mut emulator, neighbour.first)?;
    ensure!(
        early.is_empty(),
        "{early:?} ended before the neighbour had begun"
    );
    let causes = causes(&mut emulator)?;
    for (name, _, _, _, cause) in ENDING {
        let found = causes.get(name).map(String::as_str);
        ensure!(
            found == Some(cause),
            "{name} ended by {found:?}, not {cause}"
        );
    }
    // The neighbour goes on after the last end, still without an error.
    for name in neighbour.last {
        report(&mut emulator, name)?;
    }
    Ok(())
}

/// Waits for all ends; gives their causes.
fn causes(emulator: &mut Emulator) -> Result<BTreeMap<String, String>> {
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

/// Waits for alpha's next report of this name, which must hold; gives who ended before it.
fn report(emulator: &mut Emulator, wanted: &str) -> Result<Vec<String>> {
    let mut ended = Vec::new();
    let what = format!("`{wanted}` of alpha");
    let holds = emulator.wait_for(&what, LIMIT, |message| match message {
        Message::Event(Event::Stopped { name, .. }) => {
            ended.push(name.clone());
            None
        }
        Message::Check { partition, check } if partition == "alpha" && check.name == wanted => {
            Some(check.ok)
        }
        _ => None,
    })?;
    ensure!(holds, "{what} does not hold");
    Ok(ended)
}

fn plan(machine: &Machine, neighbour: &Neighbour) -> String {
    let Neighbour {
        functions,
        arguments,
        delay,
        ..
    } = neighbour;
    let neighbour = format!(
        r#"
[[partition]]
name = "alpha"
cores = [1]
memory = [{{ start = "0x8000000", size = "640M" }}]
{functions}
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet {arguments}"
"#
    );
    let ending = ENDING.iter().map(|(name, core, start, arguments, _)| {
        format!(
            r#"
[[partition]]
name = "{name}"
cores = [{core}]
memory = [{{ start = "{start}", size = "256M" }}]
restart = "never"
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.functions=0 bulkhead.delay={delay} {arguments}"
"#
        )
    });
    let partitions = std::iter::once(neighbour).chain(ending);
    plans::describe(machine) + &partitions.collect::<String>()
}
