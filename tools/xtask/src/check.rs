//! `cargo xtask run --check`: boots Bulkhead unattended and judges what is said. The last
//! line of standard output is the verdict, one line of JSON; all else is on standard error.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::serial::Heard;
use harness::{Emulator, Message, Platform, Record, Stalled, Summary};

use crate::count;
use crate::paths::Paths;
use crate::progress;
use crate::run::{self, LISTEN, Prepared, Screen};

/// What the example may take of memory, images apart.
const MOST_RESIDENT_BYTES: u64 = 512 << 10;
/// What the example may take of instructions, the clearing of memory apart.
const MOST_BOOT_INSTRUCTIONS: u64 = 5_000_000;

/// How long a run may take.
pub const DEFAULT_LIMIT_SECONDS: u64 = 420;

/// Boots, judges, prints the verdict, and returns whether everything holds.
pub fn run(paths: &Paths, prepared: &Prepared, limit_seconds: u64) -> Result<bool> {
    progress::step("Checking", &format!("for at most {limit_seconds} s"));
    let mut summary = boot(paths, prepared, Duration::from_secs(limit_seconds))?;
    if summary.ok {
        if is_countable(prepared) {
            summary.boot_instructions = count(paths, prepared);
        }
        if prepared.is_example {
            judge_size(&mut summary, prepared);
        }
    }
    for problem in &summary.problems {
        progress::step("Problem", problem);
    }
    let line = serde_json::to_string(&summary).context("writing the verdict")?;
    println!("{line}");
    Ok(summary.ok)
}

/// Boots once, and once more if the emulator itself stands still.
fn boot(paths: &Paths, prepared: &Prepared, limit: Duration) -> Result<Summary> {
    let summary = boot_once(paths, prepared, limit)?;
    if !summary.problems.contains(&Stalled.to_string()) {
        return Ok(summary);
    }
    progress::step("Retrying", &Stalled.to_string());
    boot_once(paths, prepared, limit)
}

fn boot_once(paths: &Paths, prepared: &Prepared, limit: Duration) -> Result<Summary> {
    let mut emulator = run::start(paths, prepared)?;
    emulator.limit(limit);
    let mut record = Record::expecting(&prepared.partitions);
    let ending = listen(&mut emulator, &mut record)?;
    let mut summary = record.summary(ending);
    summary.machine = Some(prepared.machine.platform.name());
    Ok(summary)
}

/// Whether instructions can be counted: by a plugin, which only QEMU's own processors have.
fn is_countable(prepared: &Prepared) -> bool {
    prepared.machine.platform == Platform::Tcg
}

/// Holds Bulkhead's own size against what the example may take.
fn judge_size(summary: &mut Summary, prepared: &Prepared) {
    let mut limits = vec![(
        "resident bytes",
        summary.resident_bytes,
        MOST_RESIDENT_BYTES,
    )];
    if is_countable(prepared) {
        limits.push((
            "instructions up to the first guest's",
            summary.boot_instructions,
            MOST_BOOT_INSTRUCTIONS,
        ));
    }
    for (what, found, most) in limits {
        if found.is_none_or(|found| found > most) {
            let found = found.map_or("not known".to_owned(), |found| found.to_string());
            summary
                .problems
                .push(format!("{what}: {found}, at most {most}"));
        }
    }
    summary.ok = summary.problems.is_empty();
}

/// A count that fails is told, and missing from the verdict.
fn count(paths: &Paths, prepared: &Prepared) -> Option<u64> {
    match count::boot_instructions(paths, prepared) {
        Ok(instructions) => Some(instructions),
        Err(error) => {
            progress::step("Not counted", &format!("boot instructions: {error:#}"));
            None
        }
    }
}

/// Listens until nothing more is to come; says why if that is too early.
fn listen(emulator: &mut Emulator, record: &mut Record) -> Result<Option<String>> {
    let mut screen = Screen::new(io::stderr().is_terminal());
    while !record.is_complete() {
        match emulator.hear(LISTEN) {
            Heard::Line(line) => {
                let message = Message::parse(&line);
                screen.show(&mut io::stderr(), &message)?;
                record.take(&message);
                if let Some(why) = message.given_up() {
                    return Ok(Some(why.to_owned()));
                }
            }
            Heard::Silence if run::is_interrupted() => {
                return Ok(Some("ended by the user".to_owned()));
            }
            Heard::Silence if emulator.is_stalled() => return Ok(Some(Stalled.to_string())),
            Heard::Silence if emulator.is_out_of_time() => {
                emulator.keep_registers();
                return Ok(Some("the time is up".to_owned()));
            }
            Heard::Silence => {}
            Heard::End => return Ok(Some(format!("{:#}", emulator.ending()))),
        }
    }
    Ok(None)
}
