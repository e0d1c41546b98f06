//! A guest that works on makes no exits but for inter-processor interrupts.

use anyhow::{Result, ensure};
use harness::Bench;

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// What any bare guest's start, console and end exit for.
const START_AND_END: [&str; 4] = ["cpuid", "msr-read", "msr-write", "port-io"];
/// What a core that is asked something while it runs its guest exits for: an NMI under SVM, an
/// INIT under VMX.
const KICKS: [&str; 2] = ["nmi", "init"];

/// A thousand timer interrupts, each with its acknowledgement and a halt: the guest itself
/// counts no exit, and none for an interrupt or a halt was counted in its whole life.
pub fn timer(bench: &Bench) -> Result<()> {
    let mut emulator = plans::start(bench, &[Guest::alpha("timer"), Guest::bystander()])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "timer")?;
    transcript.ensure_passed("beta", "bystander")?;
    transcript.ensure_exits_only_for("alpha", &START_AND_END)?;
    transcript.ensure_denied("alpha", 0)
}

/// A thousand inter-processor interrupts between two cores: one exit each, and no other but
/// those of the second core's start and end.
pub fn inter_processor_interrupts(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("smp").with_cores(&[1, 2]);
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander().with_cores(&[3])])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("smp")?;
    transcript.ensure_denied("alpha", 0)?;
    let commands = transcript.exits("alpha", "icr-write")?;
    // Besides the thousand there are an INIT and two SIPIs.
    ensure!(
        (1000..=1010).contains(&commands),
        "1,000 interrupts were {commands} exits"
    );
    let kicks = count_kicks(&transcript)?;
    ensure!(kicks <= 10, "{kicks} exits for kicks");
    let mut reasons = START_AND_END.to_vec();
    reasons.push("icr-write");
    reasons.extend(KICKS);
    transcript.ensure_exits_only_for("alpha", &reasons)
}

/// Start-ups for a core that runs already are ignored: each costs the two exits of the command
/// and of the kick, and the core goes on.
pub fn start_up_of_a_running_core(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("start-up-again").with_cores(&[1, 2]);
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander().with_cores(&[3])])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("start-up-again")?;
    let kicks = count_kicks(&transcript)?;
    // Kicks that come close together are one, and those before the first entry are none.
    ensure!(
        (1..=110).contains(&kicks),
        "{kicks} exits for kicks after 100 start-ups"
    );
    Ok(())
}

fn count_kicks(transcript: &Transcript) -> Result<u64> {
    KICKS
        .iter()
        .map(|reason| transcript.exits("alpha", reason))
        .sum()
}
