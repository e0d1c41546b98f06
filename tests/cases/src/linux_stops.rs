//! A stock Linux that powers off, restarts or triple-faults ends its partition alone, with the
//! cause told, while a neighbour goes on without an error: with checksummed I/O where there is
//! a disk to give it, elsewhere with measurements in which not one exit is counted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Event, Machine, Message, Need};

use crate::plans::{self, Guest};

/// Five Linux boots side by side on a slow machine.
const LIMIT: Duration = Duration::from_secs(180);

/// The partition `alpha`, which goes on while the others end.
struct Neighbour {
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
    arguments: "bulkhead.mode=io",
    delay: 20,
    first: "io",
    last: ["io", "io"],
};
/// Without one it measures its exits, idle and then in a loop: long enough for the others to
/// end meanwhile.
const WITHOUT_DISK: Neighbour = Neighbour {
    arguments: "bulkhead.memory=640M bulkhead.functions=0 bulkhead.seconds=15",
    delay: 8,
    first: "exits_boot",
    last: ["exits_idle", "exits_loop"],
};

/// The partitions that end: name, core, start of memory, how, cause.
const ENDING: [(&str, &[u32], u64, &str, &str); 3] = [
    ("beta", &[2], 0x3000_0000, "mode=poweroff", "poweroff"),
    ("gamma", &[3], 0x4000_0000, "mode=reboot", "reboot"),
    (
        "delta",
        &[4],
        0x5000_0000,
        "mode=triple reboot=t",
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
    let alpha = Guest::linux("alpha", &[1], (plans::ALPHA_START, 640));
    let alpha = alpha.with_argument(neighbour.arguments);
    let alpha = if machine.images.is_some() {
        alpha.with_virtual_function(1)
    } else {
        alpha
    };
    let delay = neighbour.delay;
    let ending = ENDING.map(|(name, cores, start, end, _)| {
        let guest = Guest::linux(name, cores, (start, 256)).without_restart();
        guest.with_argument(&format!(
            "bulkhead.functions=0 bulkhead.delay={delay} bulkhead.{end}"
        ))
    });
    let guests: Vec<_> = std::iter::once(alpha).chain(ending).collect();
    plans::source(machine, &guests)
}
