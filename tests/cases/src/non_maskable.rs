//! Non-maskable interrupts between a partition's own cores arrive as on a processor that it
//! has for itself.

use anyhow::Result;
use harness::Bench;

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// Each NMI arrives once, whatever its core does; one waits for the end of another; a storm
/// does no harm. The neighbour hears nothing of 1,200 of them.
pub fn interrupts_arrive_once(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("nmi").with_cores(&[1, 2]);
    let beta = Guest::beta("bystander").with_cores(&[3]);
    let mut emulator = plans::start(bench, &[alpha, beta.with_argument("seconds=20")])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("nmi")?;
    transcript.ensure_stop("alpha", "poweroff")?;
    transcript.ensure_denied("alpha", 0)
}
