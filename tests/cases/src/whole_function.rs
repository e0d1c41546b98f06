//! A whole PCI function is given away by the same path as a virtual one: its guest drives it,
//! its DMA stays inside, and it may have a BAR of any size.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Event, Message};

use crate::plans::{self, BETA_START, Guest};
use crate::transcript::Transcript;

/// Longer than the guests ever take.
const LIMIT: Duration = Duration::from_secs(60);
/// The NVMe physical function.
const FUNCTION: &str = "02:00.0";
/// An NVMe controller there without virtual functions, whose memory buffer has a BAR of its own.
const LARGE_BAR_MEBIBYTES: u64 = 2048;
const WITH_LARGE_BAR: [&str; 3] = [
    "pcie-root-port,id=rp1,slot=1,chassis=1",
    "pcie-root-port,id=rp2,slot=2,chassis=2",
    "nvme,bus=rp2,serial=large,legacy-cmb=on,cmb_size_mb=2048",
];

/// The guest's own transfers work; those into its neighbour are faults of this function.
pub fn is_driven_and_confined(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("nvme-dma")
        .with_whole_function()
        .with_argument(&format!("target={BETA_START:#x}"));
    let mut emulator = plans::start_with_nvme(bench, &[alpha, Guest::bystander()])?;
    let mut passed = Vec::new();
    let mut faults = 0_u32;
    emulator.wait_for("the end of both partitions", LIMIT, |message| {
        match message {
            Message::Console { partition, text } if text.starts_with("PASS ") => {
                passed.push(partition.clone());
            }
            Message::Event(Event::Fault {
                partition,
                requester,
                ..
            }) if partition.as_deref() == Some("alpha") && requester == FUNCTION => {
                faults = faults.saturating_add(1);
            }
            _ => {}
        }
        (*message == Message::Event(Event::Halted)).then_some(())
    })?;
    passed.sort();
    ensure!(passed == ["alpha", "beta"], "passed: {passed:?}");
    // One for the commands at least, and one for the data or the completions.
    ensure!(
        faults >= 2,
        "{faults} faults of {FUNCTION} for three attacks"
    );
    Ok(())
}

/// A BAR that finds no room between the guest's memory and 4 GiB lies above both.
pub fn may_have_a_large_bar(bench: &Bench) -> Result<()> {
    let mut machine = bench.machine();
    let devices = WITH_LARGE_BAR.iter().flat_map(|device| ["-device", device]);
    machine.extra.extend(devices.map(str::to_owned));
    let alpha = Guest::alpha("large-bar")
        .with_whole_function()
        .with_argument(&format!("bytes={:#x}", LARGE_BAR_MEBIBYTES << 20));
    let plan = plans::source(&machine, &[alpha]);
    let plan = format!("{plan}[[machine.function]]\naddress = \"{FUNCTION}\"\n");
    let mut emulator = bench.start(&machine, &plan)?;
    Transcript::to_the_end(&mut emulator)?.ensure_passed("alpha", "large-bar")
}
