//! What reaches a guest's core, and what the IOMMU knows of its functions, while its neighbour
//! begins anew without pause.
//!
//! Interrupts of others that arrived would make the guest fail; what makes the core exit is
//! counted; and what the IOMMU is told to forget is compared with a run in which the neighbour
//! does nothing.

use anyhow::{Result, ensure};
use cases::plans::Guest;

use super::measures::{Results, exits_of_work};
use super::run::Runner;
use crate::progress;

/// The domain of the first partition: the first one, 1, is Bulkhead's own.
const DOMAIN: u16 = 2;

impl Results {
    /// Exits of a guest and invalidations of what is its own.
    pub fn storm(&mut self, runner: &Runner) -> Result<()> {
        progress::step(
            "Measuring",
            "a guest whose neighbour begins anew all the time",
        );
        let quiet = runner.beside("quiet", &[alpha(), beta("spin")])?;
        let storm = runner.beside("storm", &[alpha(), beta("reset")])?;
        ensure!(storm.restarts > 0, "the neighbour did not begin anew");
        let what = "exits of a busy guest in 5 s beside one that restarts all the time";
        self.add("exits_storm", what, exits_of_work(&storm.outcome)?, 0);
        let [quiet, storm] = [quiet, storm].map(|run| run.trace.invalidations(DOMAIN));
        let what = "invalidations of what the IOMMU knows of that guest, by the restarts";
        let more = u64::try_from(storm.saturating_sub(quiet))?;
        self.add("invalidations_storm", what, more, 0);
        Ok(())
    }
}

/// Five seconds of busy ticks.
fn alpha() -> Guest {
    Guest::alpha("timer")
        .with_virtual_function(1)
        .with_argument("interrupts=5000")
        .with_argument("busy=1")
}

fn beta(image: &'static str) -> Guest {
    Guest::beta(image).with_cores(&[2]).with_virtual_function(2)
}
