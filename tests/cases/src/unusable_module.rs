//! Without a plan that it can read, or on another core than the plan keeps for it, Bulkhead
//! starts nothing: one line says why, and no partition runs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::message::REFUSAL;
use harness::{Bench, Event, Machine, Message};

use crate::bundles;
use crate::plans;

/// The kernel finds it out before it starts a single guest.
const LIMIT: Duration = Duration::from_secs(30);
/// A byte of the magic, of the table of entries, and of the plan, which is the first entry.
const IN_MAGIC: usize = 3;
const IN_TABLE: usize = 40;
const IN_PLAN: usize = 4096 + 30;
/// Header and table are whole, the images are not.
const CUT_OFF_BYTES: usize = 2 * 4096;

/// The boot loader passes no module.
pub fn absent(bench: &Bench) -> Result<()> {
    is_refused(bench, None, "no module")
}

/// The module is something else.
pub fn not_a_bundle(bench: &Bench) -> Result<()> {
    is_refused(bench, damaged(bench, IN_MAGIC)?, "no bundle")
}

/// The bundle's table has a wrong bit.
pub fn damaged_table(bench: &Bench) -> Result<()> {
    is_refused(bench, damaged(bench, IN_TABLE)?, "header is damaged")
}

/// The plan in the bundle has a wrong bit.
pub fn damaged_plan(bench: &Bench) -> Result<()> {
    is_refused(bench, damaged(bench, IN_PLAN)?, "plan's checksum is wrong")
}

/// The bundle was not loaded to its end.
pub fn cut_off(bench: &Bench) -> Result<()> {
    let mut bytes = bundles::compile(bench, plans::TWO_HELLOS)?;
    bytes.truncate(CUT_OFF_BYTES);
    is_refused(bench, Some(bundles::write(bench, &bytes)?), "cut off")
}

/// The plan keeps another core for Bulkhead than the one that the machine boots on.
pub fn other_housekeeping_core(bench: &Bench) -> Result<()> {
    let plan = plans::TWO_HELLOS
        .replace("housekeeping = 0", "housekeeping = 1")
        .replace("cores = [1]", "cores = [0]");
    let bytes = bundles::compile(bench, &plan)?;
    let module = bundles::write(bench, &bytes)?;
    is_refused(bench, Some(module), "machine.housekeeping = 0")
}

/// A bundle with one wrong bit in the byte at `offset`.
fn damaged(bench: &Bench, offset: usize) -> Result<Option<PathBuf>> {
    let mut bytes = bundles::compile(bench, plans::TWO_HELLOS)?;
    let byte = bytes.get_mut(offset).context("the bundle is too short")?;
    *byte ^= 1;
    bundles::write(bench, &bytes).map(Some)
}

/// The refusal is the first thing that happens, and it names `what`.
fn is_refused(bench: &Bench, module: Option<PathBuf>, what: &str) -> Result<()> {
    let mut emulator = bench.boot(&Machine::without_devices(), module)?;
    let outcome = emulator.wait_for("refusal of the module", LIMIT, |message| match message {
        Message::Text(text) => text.strip_prefix(REFUSAL).map(|text| Ok(text.to_owned())),
        Message::Event(Event::Partition { name, .. }) => Some(Err(name.clone())),
        _ => None,
    })?;
    match outcome {
        Ok(text) => ensure!(text.contains(what), "the line says not `{what}`: {text}"),
        Err(name) => bail!("partition {name} was started"),
    }
    Ok(())
}
