//! Bulkhead starts by Multiboot2 too, as administrators start it: by GRUB, which the
//! machine's BIOS runs.

use anyhow::Result;
use harness::{Bench, Boot, Machine};

use crate::plans;
use crate::transcript::Transcript;

/// GRUB loads kernel and bundle from a disk and starts them; both partitions pass.
pub fn grub_starts_it(bench: &Bench) -> Result<()> {
    let machine = Machine {
        boot: Boot::Disk,
        ..bench.machine()
    };
    let plan = plans::source(&machine, &plans::two_hellos());
    let mut emulator = bench.start(&machine, &plan)?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "hello")?;
    transcript.ensure_passed("beta", "hello")
}
