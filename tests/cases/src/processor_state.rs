//! A guest does what it likes to its processor's own state, in every mode: what the processor
//! takes it gets, what it refuses faults, and the guest always goes on.

use anyhow::{Result, ensure};
use harness::{Bench, Platform};

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// XSETBV takes what CPUID offers, in whole sets, and nothing else.
pub fn extended_state(bench: &Bench) -> Result<()> {
    passes(bench, "xsetbv")
}

/// CR0 and CR4 read as they were written; bits whose feature is hidden cannot be set.
pub fn control_registers(bench: &Bench) -> Result<()> {
    passes(bench, "control-registers")
}

/// From 64-bit mode down to real mode and back up, on two cores, with exits in each mode.
pub fn modes(bench: &Bench) -> Result<()> {
    passes(bench, "processor-modes")
}

/// No value in a register keeps the guest from being entered again.
pub fn awkward_registers(bench: &Bench) -> Result<()> {
    passes(bench, "awkward-registers")
}

/// An exit is answered as a single step, in a shadow, and at the end of an address space.
pub fn awkward_instructions(bench: &Bench) -> Result<()> {
    passes(bench, "awkward-instructions")
}

/// Debug exceptions and alignment checks arrive as from the processor itself.
pub fn exceptions(bench: &Bench) -> Result<()> {
    passes(bench, "exceptions")
}

/// A task switch by hardware works under SVM. Under VMX it always exits, and stops its
/// partition alone.
pub fn task_switch(bench: &Bench) -> Result<()> {
    let mut emulator = plans::start(bench, &[Guest::attacker("task-switch"), Guest::bystander()])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    let switches = transcript.count_lines("alpha", "switches tasks") == 1;
    ensure!(switches, "alpha did not get as far as a task switch");
    transcript.ensure_passed("beta", "bystander")?;
    transcript.ensure_denied("beta", 0)?;
    if !matches!(bench.platform, Platform::Bochs(_)) {
        return transcript.ensure_passed("alpha", "task-switch");
    }
    let cause = transcript.partition("alpha")?.cause.as_deref();
    ensure!(
        cause.is_some_and(|cause| cause.contains("TASK_SWITCH")),
        "alpha stopped by {cause:?}"
    );
    Ok(())
}

/// The guest finds all as it should be, and its neighbour notices nothing.
fn passes(bench: &Bench, guest: &'static str) -> Result<()> {
    let alpha = Guest::attacker(guest).with_cores(&[1, 2]);
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander().with_cores(&[3])])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed(guest)?;
    transcript.ensure_stop("alpha", "poweroff")
}
