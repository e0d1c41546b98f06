//! A function behind a bridge to conventional PCI is given to nobody: all that is behind such a
//! bridge has one requester ID, and so would reach what any of it may reach.

use anyhow::{Result, ensure};
use harness::{Bench, Machine};

use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// Firmware numbers buses port by port, depth first.
const PORT: &str = "00:01.0";
const BRIDGE: &str = "01:00.0";
const BEHIND_BRIDGE: &str = "02:01.0";
/// The same device, on the root bus.
const BEFORE_BRIDGE: &str = "00:02.0";

/// QEMU's `edu` has MSI, a memory BAR, and DMA: nothing else is wrong with it, as the one on the
/// root bus shows.
pub fn is_refused(bench: &Bench) -> Result<()> {
    let devices = [
        "pcie-root-port,id=rp1,slot=1,chassis=1,bus=pcie.0,addr=01.0",
        "pcie-pci-bridge,id=pb1,bus=rp1",
        "edu,bus=pb1,addr=01.0",
        "edu,bus=pcie.0,addr=02.0",
    ];
    let arguments = devices.map(|device| ["-device".to_owned(), device.to_owned()]);
    let machine = Machine {
        extra: arguments.into_iter().flatten().collect(),
        ..bench.machine()
    };
    let guests = [
        Guest::alpha("hello").with_function_at(BEHIND_BRIDGE),
        Guest::beta("hello").with_function_at(BEFORE_BRIDGE),
    ];
    let functions = [BEHIND_BRIDGE, BEFORE_BRIDGE]
        .map(|address| format!("[[machine.function]]\naddress = \"{address}\"\n"));
    let partitions = "[[partition]]";
    let functions = functions.concat() + partitions;
    let plan = plans::source(&machine, &guests).replacen(partitions, &functions, 1);
    let mut emulator = bench.start(&machine, &plan)?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("beta", "hello")?;
    let why = transcript.partition("alpha")?.refused.as_deref();
    let why = why.unwrap_or("not refused");
    ensure!(
        why.contains(BEHIND_BRIDGE) && why.contains(BRIDGE) && !why.contains(PORT),
        "alpha: {why}"
    );
    Ok(())
}
