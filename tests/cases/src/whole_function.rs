//! A whole PCI function is given away by the same path as a virtual one: its guest drives it,
//! and its DMA stays inside.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Event, Message};

use crate::plans::{self, BETA_START, Guest};

/// Longer than the guests ever take.
const LIMIT: Duration = Duration::from_secs(60);
/// The NVMe physical function.
const FUNCTION: &str = "02:00.0";

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
