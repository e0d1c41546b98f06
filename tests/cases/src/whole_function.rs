//! A whole PCI function is given away by the same path as a virtual one: its guest drives it,
//! and its DMA stays inside.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Event, Message};

/// Longer than the guests ever take.
const LIMIT: Duration = Duration::from_secs(60);
/// The NVMe physical function.
const FUNCTION: &str = "02:00.0";

const PLAN: &str = r#"
version = 1
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
[[machine.function]]
address = "02:00.0"
virtual_functions = 4
[[partition]]
name = "alpha"
cores = [1]
memory = [{ start = "0x8000000", size = "64M" }]
[[partition.function]]
address = "02:00.0"
[partition.image.elf]
kernel = "guests/nvme-dma"
command_line = "target=0x30000000"
[[partition]]
name = "beta"
cores = [2, 3]
memory = [{ start = "0x30000000", size = "64M" }]
[partition.image.elf]
kernel = "guests/bystander"
command_line = "seconds=3"
"#;

/// The guest's own transfers work; those into its neighbour are faults of this function.
pub fn is_driven_and_confined(bench: &Bench) -> Result<()> {
    let machine = bench.machine_with_nvme()?;
    let mut emulator = bench.start(&machine, PLAN)?;
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
