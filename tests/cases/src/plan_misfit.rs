//! A plan that does not fit the machine costs only the partitions that do not fit.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use harness::record::PartitionSummary;
use harness::{Bench, Machine};

use crate::transcript::Transcript;

/// Nine partitions, of which one fits.
const PLAN: &str = include_str!("../../plans/cases/misfit.toml");
/// Each that does not, and the rule that it breaks on this machine.
const MISFITS: [(&str, &str); 8] = [
    ("absent-core", "[unknown-core]"),
    ("absent-memory", "[memory-outside-machine]"),
    ("kernel-memory", "[memory-outside-machine]"),
    ("module-memory", "[memory-outside-machine]"),
    ("absent-function", "[unknown-function]"),
    ("absent-virtual", "[virtual-function-too-high]"),
    ("absent-room", "[room-missing]"),
    ("damaged-image", "[image-checksum]"),
];
/// What the boot module is filled up to, so that it covers the memory that `module-memory`
/// wants: bytes behind a bundle's end belong to nobody else.
const MODULE_BYTES: usize = 8 << 20;

/// The partition that fits starts, with its function, and passes. Each of the others is
/// refused by the rule that it breaks: a core, memory, function or room that is not there, memory
/// that is Bulkhead's own, a damaged image.
pub fn costs_the_misfits_only(bench: &Bench) -> Result<()> {
    let machine = Machine {
        processors: 9,
        ..bench.machine_with_nvme()?
    };
    let mut emulator = bench.boot(&machine, Some(damaged_bundle(bench)?))?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "config-ports")?;
    transcript.ensure_stop("alpha", "poweroff")?;
    for (name, rule) in MISFITS {
        ensure_refused(transcript.partition(name)?, rule)?;
    }
    Ok(())
}

fn ensure_refused(partition: &PartitionSummary, rule: &str) -> Result<()> {
    let name = &partition.name;
    let why = partition.refused.as_deref();
    let why = why.with_context(|| format!("{name} was not refused"))?;
    ensure!(why.contains(rule), "{name}: {why}, not {rule}");
    ensure!(
        partition.cores.is_empty() && partition.cause.is_none(),
        "{name} was refused, and started"
    );
    Ok(())
}

/// The plan's bundle with its last byte, which is the last image's, changed.
fn damaged_bundle(bench: &Bench) -> Result<PathBuf> {
    let mut bytes = bench.compile(PLAN)?;
    let last = bytes.last_mut().context("the bundle is empty")?;
    *last = !*last;
    ensure!(bytes.len() < MODULE_BYTES, "the bundle is too large");
    bytes.resize(MODULE_BYTES, 0);
    bench.write_module(&bytes)
}
