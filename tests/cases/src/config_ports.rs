//! The configuration ports, where the plan offers them, show what ECAM shows.
//!
//! Where it does not offer them they read all ones: `denied_access` attacks them too.

use anyhow::Result;
use harness::Bench;

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// Every register of every function of bus 0 reads the same by both ways; absent functions
/// and other buses read all ones; and the neighbour's function is not among them.
pub fn agree_with_ecam(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("config-ports")
        .with_virtual_function(1)
        .with_config_ports();
    let beta = Guest::beta("hello").with_virtual_function(2);
    let mut emulator = plans::start_with_nvme(bench, &[alpha, beta])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "config-ports")?;
    anyhow::ensure!(
        transcript.count_lines("alpha", "2 of 256 functions agree") == 1,
        "another number of functions than the one given and the console"
    );
    transcript.ensure_denied("alpha", 0)
}
