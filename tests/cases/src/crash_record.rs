//! A mistake of ours, or a fault of the machine, in root mode leaves a record that names the
//! place, and the guests run on.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Message};

use crate::plans::{self, Guest};

/// The record comes at once.
const LIMIT: Duration = Duration::from_secs(30);
/// An uncorrected error in bank 9 of the boot core, as the monitor's `mce` raises it.
const MACHINE_CHECK: &str = "mce 0 9 0xbd00000000000000 0x5 0 0";
/// How the record's lines begin.
const CRASH: &str = "crash: ";

/// A machine check on the housekeeping core: what, where, and the way there.
pub fn names_the_place(bench: &Bench) -> Result<()> {
    let mut emulator = plans::start(bench, &[Guest::alpha("spin"), Guest::bystander()])?;
    emulator.wait_for_text("listening", LIMIT)?;
    emulator.monitor()?.human(MACHINE_CHECK)?;
    let mut lines = Vec::new();
    while !lines.iter().any(|line: &String| line.contains("stops")) {
        let line = emulator.wait_for("line of the record", LIMIT, |message| match message {
            Message::Text(text) => text.strip_prefix(CRASH).map(str::to_owned),
            _ => None,
        });
        lines.push(line?);
    }
    let has = |word: &str| lines.iter().any(|line| line.contains(word));
    ensure!(has("machine check (vector 18) on core 0"), "{lines:#?}");
    ensure!(has("rip 0x") && has("called from 0x"), "{lines:#?}");
    Ok(())
}
