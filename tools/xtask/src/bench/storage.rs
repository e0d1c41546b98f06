//! Reads from an NVMe function, in a partition and on the bare machine.
//!
//! The bare machine has no virtual function before somebody makes one, so the guest drives the
//! physical one there: the same registers, queues and commands, and what is counted begins after
//! all that is set up.

use anyhow::Result;
use cases::plans::Guest;

use super::measures::{Extent, Results, exits_of_work, instructions_of_work, millionths};
use super::run::{Runner, Time};
use crate::progress;

/// How the guest finds the physical function, 02:00.0, and the namespace that it has.
const PHYSICAL: &str = "function=0x200 namespace=1";
/// The namespace of virtual function 1.
const VIRTUAL: &str = "namespace=2";

impl Results {
    /// Exits in a virtual function's interrupts, and a guest's instructions for them.
    pub fn storage(&mut self, runner: &Runner, extent: Extent) -> Result<()> {
        progress::step("Measuring", "reads, in a partition and on the machine");
        let (name, what, commands) = match extent {
            Extent::Gate => (
                "exits_function",
                "exits in 20,000 interrupts of a virtual function",
                "commands=20000",
            ),
            Extent::Full => (
                "exits_function_full",
                "exits in 1,000,000 interrupts of a virtual function",
                "commands=1000000",
            ),
        };
        let guest = Guest::alpha("storage")
            .with_virtual_function(1)
            .with_argument(VIRTUAL)
            .with_argument(commands);
        let inside = runner.guests("function", &[guest], Time::Counted)?;
        self.add(name, what, exits_of_work(&inside)?, 0);
        let bare = runner.bare("storage", &format!("{PHYSICAL} {commands}"))?;
        let (inside, bare) = (
            instructions_of_work(&inside.count)?,
            instructions_of_work(&bare)?,
        );
        let what = "a guest's instructions for these reads, in millionths of the machine's";
        self.add(
            "storage_instructions",
            what,
            millionths(inside, bare)?,
            1_001_000,
        );
        Ok(())
    }
}
