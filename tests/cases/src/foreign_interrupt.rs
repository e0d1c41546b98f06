//! No interrupt of a partition's, from a core or from a device, reaches a core that is not
//! its own: neither the neighbour's cores nor the housekeeping core.

use anyhow::{Result, ensure};
use harness::Bench;

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// The housekeeping core and the neighbour's.
const FOREIGN: &str = "foreign=0,2,3";

/// Interrupt commands of every delivery mode, destination mode and shorthand, INIT, SIPI, NMI
/// and SMI among them, to foreign cores. The neighbour receives nothing, and the housekeeping
/// core lives to say so.
pub fn by_command(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("icr-foreign").with_argument(FOREIGN);
    let mut emulator = plans::start(bench, &[alpha, Guest::bystander()])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("icr-foreign")?;
    transcript.ensure_stop("alpha", "poweroff")?;
    // Eleven kinds to three given and two absent cores each, and SMI to all others. What else
    // it sends to all is cut down to its own cores.
    transcript.ensure_denied("alpha", 56)
}

/// MSI-X entries with foreign cores, the vectors of exceptions, dangerous delivery modes or
/// addresses that are no local APIC's: each is denied once, delivers nothing to anybody, and
/// an honest entry still works afterwards.
pub fn by_message(bench: &Bench) -> Result<()> {
    let alpha = Guest::attacker("msix-forge")
        .with_argument(FOREIGN)
        .with_virtual_function(1);
    let beta = Guest::bystander().with_virtual_function(2);
    let mut emulator = plans::start_with_nvme(bench, &[alpha, beta])?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("msix-forge")?;
    let forged = transcript.count_lines("alpha", "reads back as");
    ensure!(forged >= 16, "only {forged} entries were forged");
    transcript.ensure_denied("alpha", u64::try_from(forged)?)?;
    let faults = transcript.faults();
    ensure!(
        faults.is_empty(),
        "forged entries got as far as the IOMMU: {faults:?}"
    );
    Ok(())
}
