//! Without a plan that it can read, or on another core than the plan keeps for it, Bulkhead
//! starts nothing: one line says why, and no partition runs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::message::REFUSAL;
use harness::{Bench, Event, Message};

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
    let mut bytes = compile(bench)?;
    bytes.truncate(CUT_OFF_BYTES);
    is_refused(bench, Some(bench.write_module(&bytes)?), "cut off")
}

/// The plan keeps another core for Bulkhead than the one that the machine boots on.
pub fn other_housekeeping_core(bench: &Bench) -> Result<()> {
    let plan = plans::source(&bench.machine(), &plans::two_hellos())
        .replace("housekeeping = 0", "housekeeping = 1")
        .replace("cores = [1]", "cores = [0]");
    let bytes = bench.compile(&plan)?;
    let module = bench.write_module(&bytes)?;
    is_refused(bench, Some(module), "machine.housekeeping = 0")
}

/// So much is wrong with the plan on this machine that Bulkhead has no memory to note it all.
pub fn too_many_cores(bench: &Bench) -> Result<()> {
    const CORES: u32 = 8000;
    let list = |first: u32| {
        (first..CORES)
            .map(|core| core.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let plan = plans::source(&bench.machine(), &plans::two_hellos())
        .replace("cores = [0, 1, 2, 3]", &format!("cores = [{}]", list(0)))
        .replace("cores = [2, 3]", &format!("cores = [{}]", list(2)));
    let bytes = bench.compile(&plan)?;
    let module = bench.write_module(&bytes)?;
    is_refused(bench, Some(module), "make the plan smaller")
}

fn compile(bench: &Bench) -> Result<Vec<u8>> {
    bench.compile(&plans::source(&bench.machine(), &plans::two_hellos()))
}

/// A bundle with one wrong bit in the byte at `offset`.
fn damaged(bench: &Bench, offset: usize) -> Result<Option<PathBuf>> {
    let mut bytes = compile(bench)?;
    let byte = bytes.get_mut(offset).context("the bundle is too short")?;
    *byte ^= 1;
    bench.write_module(&bytes).map(Some)
}

/// The refusal is the first thing that happens, and it names `what`.
fn is_refused(bench: &Bench, module: Option<PathBuf>, what: &str) -> Result<()> {
    let mut emulator = bench.boot(&bench.machine(), module)?;
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
