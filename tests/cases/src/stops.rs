//! However a guest ends, its partition alone ends, with the cause told, while its neighbour
//! goes on; and one that will not end disturbs nobody.

use anyhow::{Result, ensure};
use harness::{Bench, Emulator, Need};

use crate::outside::{self, Registers};
use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// The core where Bulkhead itself runs.
const HOUSEKEEPING: u32 = 0;
const INTERRUPTS_ON: u64 = 1 << 9;

/// The sleep control register.
pub fn by_poweroff(bench: &Bench) -> Result<()> {
    ends_alone(bench, Guest::attacker("poweroff"), "poweroff")
}

/// The reset register, in a partition that is not to be restarted.
pub fn by_reset(bench: &Bench) -> Result<()> {
    ends_alone(bench, Guest::attacker("reset").without_restart(), "reboot")
}

/// A triple fault.
pub fn by_triple_fault(bench: &Bench) -> Result<()> {
    ends_alone(bench, Guest::attacker("triple-fault"), "triple fault")
}

/// One core powers off while the partition's other one spins with interrupts off: that one
/// must be kicked out of the guest.
pub fn with_a_core_spinning(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("poweroff-spinning").with_cores(&[1, 2]);
    let beta = Guest::bystander().with_cores(&[3]);
    let mut emulator = ends_alone_beside(bench, [alpha, beta], "poweroff")?;
    ensure_left(bench, &mut emulator, &[1, 2])
}

/// A guest that spins with interrupts off goes on for ever, and the neighbour notices nothing.
pub fn never_by_spinning(bench: &Bench) -> Result<()> {
    let mut emulator = plans::start(bench, &[Guest::attacker("spin"), Guest::bystander()])?;
    let transcript = Transcript::until_stop(&mut emulator, "beta")?;
    transcript.ensure_undisturbed("spin")?;
    let cause = transcript.partition("alpha")?.cause.as_deref();
    ensure!(cause.is_none(), "alpha stopped by {cause:?}");
    if !bench.has(Need::Monitor) {
        return Ok(());
    }
    let registers = Registers::read(&mut emulator, 1)?;
    let spins = registers.number("HLT=")? == 0 && registers.number("RFL=")? & INTERRUPTS_ON == 0;
    ensure!(spins, "core 1 does not spin: {registers:x?}");
    Ok(())
}

fn ends_alone(bench: &Bench, alpha: Guest, cause: &str) -> Result<()> {
    let beta = Guest::bystander();
    let mut emulator = ends_alone_beside(bench, [alpha, beta], cause)?;
    ensure_left(bench, &mut emulator, &[1])
}

/// `alpha` ends by `cause` while `beta` listens; `beta` hears nothing of it and ends after it.
fn ends_alone_beside(bench: &Bench, guests: [Guest; 2], cause: &str) -> Result<Emulator> {
    let mut emulator = plans::start(bench, &guests)?;
    let first = Transcript::until_stop(&mut emulator, "alpha")?;
    first.ensure_stop("alpha", cause)?;
    let listens = first.count_lines("beta", "listening") == 1;
    ensure!(listens, "the neighbour did not listen yet");
    let rest = Transcript::to_the_end(&mut emulator)?;
    rest.ensure_passed("beta", "bystander")?;
    rest.ensure_stop("beta", "poweroff")?;
    rest.ensure_denied("beta", 0)?;
    Ok(emulator)
}

/// Bulkhead has its cores back: seen from outside, where that can be seen, they use its page
/// table again.
fn ensure_left(bench: &Bench, emulator: &mut Emulator, cores: &[u32]) -> Result<()> {
    if !bench.has(Need::Monitor) {
        return Ok(());
    }
    let own = outside::level_4_table(emulator, HOUSEKEEPING)?;
    for core in cores {
        let found = outside::level_4_table(emulator, *core)?;
        ensure!(found == own, "core {core} is still in the guest");
    }
    Ok(())
}
