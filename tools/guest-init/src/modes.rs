//! What to do once the machine is up: `bulkhead.mode` on the kernel's command line.
//!
//! | mode | does |
//! |---|---|
//! | `check` | all checks, then powers off |
//! | `measure` | the work that exits are counted over and nothing else, on any machine |
//! | `kvm-host` | runs QEMU with KVM and a virtual function: see [`crate::kvm_host`] |
//! | `poweroff` | powers off at once |
//! | `reboot` | restarts at once |
//! | `triple` | a triple fault, with `reboot=t` on the command line |
//! | `io` | writes, reads back and compares until the machine is ended, and counts exits |
//! | `dormant` | the same as `io` without a word: what it has to say it writes to its disk |
//! | `echo` | says back each line that is typed at the console, until one is `end`, and counts exits |
//! | `manage` | lists the partitions, restarts `beta` and tries to stop itself: by `bulkhead ctl` |
//! | `lives` | one after another: see [`crate::lives`] |

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::console;
use crate::dormant;
use crate::exits::{self, Counters, Window};
use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::identity;
use crate::kvm_host;
use crate::lives;
use crate::storage::{self, Disk};
use crate::system;

/// How much one round of the mode `io` writes and reads back.
const ROUND_BYTES: u64 = 4 << 20;
/// How often the mode `io` reports.
const REPORT_INTERVAL: Duration = Duration::from_secs(2);

/// Does what the expectation's mode says; the caller powers off afterwards. `boot` are the
/// exits up to the start of this program.
pub fn run(expectation: &Expectation, boot: &Counters) -> io::Result<()> {
    match expectation.mode.as_str() {
        "check" => check(expectation, boot),
        "measure" => measure(expectation),
        "kvm-host" => kvm_host::run(),
        "poweroff" => announce(expectation),
        // `reboot=t` makes the kernel end in a triple fault instead of a reset.
        "reboot" | "triple" => {
            announce(expectation)?;
            system::restart();
            Ok(())
        }
        "dormant" => dormant::work(expectation),
        "echo" => echo(),
        "manage" => manage(),
        "lives" => lives::live(expectation, boot),
        "io" => exchange(expectation),
        other => Err(io::Error::other(format!("there is no mode `{other}`"))),
    }
}

fn announce(expectation: &Expectation) -> io::Result<()> {
    thread::sleep(expectation.delay);
    console::print(&format!("guest-init: {}", expectation.mode));
    Ok(())
}

fn check(expectation: &Expectation, boot: &Counters) -> io::Result<()> {
    identity::check(expectation)?;
    let disk = if expectation.has_disk() {
        Disk::open(expectation)?
    } else {
        None
    };
    if let Some(disk) = &disk {
        disk.check(expectation.cores)?;
    }
    exits::check(expectation, boot, disk.as_ref())?;
    Finding::new("done", true).print();
    Ok(())
}

/// Does all the work for somebody who counts from outside: the reading of counters, even where
/// there are none, marks the begin and the end of each kind of work.
fn measure(expectation: &Expectation) -> io::Result<()> {
    let disk = match expectation.has_disk() {
        true => Disk::open(expectation)?,
        false => None,
    };
    exits::measure_all(expectation, disk.as_ref(), |name, _| {
        Finding::new(name, true).print();
    })?;
    Finding::new("done", true).print();
    Ok(())
}

/// Says back what is typed: at the console without exits, which must cost none, or at the
/// serial port, whose driver polls it.
fn echo() -> io::Result<()> {
    let is_exitless = Path::new(console::EXITLESS).exists();
    let terminal = if is_exitless {
        console::EXITLESS
    } else {
        "/dev/ttyS0"
    };
    let terminal = File::open(terminal)?;
    let window = Window::open();
    console::print("type");
    for line in BufReader::new(terminal).lines() {
        let line = line?;
        console::print(&format!("typed: {line}"));
        if line == "end" {
            break;
        }
    }
    let exits = exits::total(&window.close());
    Finding::new("echo", exits == 0 || !is_exitless)
        .number("exits", exits)
        .print();
    Ok(())
}

/// Lets the user's tool manage partitions by the channel of this one, and tells what it said.
fn manage() -> io::Result<()> {
    for command in ["list", "restart --force beta", "stop --force alpha"] {
        let output = Command::new("/bulkhead")
            .args(["ctl", "--to", "pci"])
            .args(command.split(' '))
            .output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Finding::new("ctl", output.status.success())
            .text("command", command)
            .text("said", &(text(&output.stdout) + &text(&output.stderr)))
            .print();
    }
    Ok(())
}

/// Works with the disk for ever.
fn exchange(expectation: &Expectation) -> io::Result<()> {
    let Some(disk) = Disk::open(expectation)? else {
        return Ok(());
    };
    let seed = storage::random_seed();
    let (mut rounds, mut errors) = (0_u64, 0_u64);
    let mut reported = Instant::now();
    let mut window = Window::open();
    loop {
        let round = disk.round(seed.wrapping_add(rounds), ROUND_BYTES, expectation.cores);
        if !round.is_ok_and(|round| round.is_intact()) {
            errors = errors.saturating_add(1);
        }
        rounds = rounds.saturating_add(1);
        if reported.elapsed() >= REPORT_INTERVAL {
            let exits = exits::total(&window.close());
            Finding::new("io", errors == 0)
                .number("rounds", rounds)
                .number("errors", errors)
                .number("exits", exits)
                .print();
            reported = Instant::now();
            window = Window::open();
        }
    }
}
