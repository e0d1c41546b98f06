//! The measures on VMX, in Bochs, by Bulkhead's own counters: exits alone, for Bochs does not
//! count instructions.

use anyhow::Result;
use cases::plans::Guest;

use super::counters::{Said, Watcher};
use super::latency::Latency;
use super::measures::Results;
use crate::progress;

impl Results {
    /// All that is measured there.
    pub fn bochs(&mut self, watcher: &Watcher) -> Result<()> {
        progress::step("Measuring", "exits on VMX, in Bochs");
        let guest = Guest::alpha("timer")
            .with_argument("interrupts=100000")
            .with_argument("period=2000")
            .with_argument("busy=1");
        let what = "VMX: exits of a busy guest in 100,000 timer ticks";
        self.add(
            "vmx_exits_ticks",
            what,
            exits(&watcher.run("ticks", &[guest])?)?,
            0,
        );
        let guest = Guest::alpha("timer")
            .with_argument("interrupts=60")
            .with_argument("period=100000000");
        let what = "VMX: exits of an idle guest in 60 s of its time";
        self.add(
            "vmx_exits_idle",
            what,
            exits(&watcher.run("idle", &[guest])?)?,
            0,
        );
        let guest = Guest::alpha("smp").with_cores(&[1, 2]);
        let what = "VMX: exits for 1,000 inter-processor interrupts";
        self.add(
            "vmx_exits_ipi",
            what,
            exits(&watcher.run("interrupts", &[guest])?)?,
            1000,
        );
        self.latency(watcher)
    }

    fn latency(&mut self, watcher: &Watcher) -> Result<()> {
        progress::step("Measuring", "how late a guest's interrupts are, in Bochs");
        let latency = Latency::measure(watcher)?;
        let what = "VMX: interrupts of 30,000 that waited for more than their processor's turn";
        self.add("vmx_waited", what, latency.beside.waited, 0);
        self.latency = Some(latency);
        Ok(())
    }
}

/// All but those by which the guest reads them.
fn exits(said: &Said) -> Result<u64> {
    Ok(said.exits()?.values().sum())
}
