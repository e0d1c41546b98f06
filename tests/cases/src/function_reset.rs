//! What a guest does with its function's reset is over when the guest is.

use anyhow::{Result, ensure};
use harness::{Bench, Event, Message};
use mgmt_proto::{Request, StopManner};

use crate::managed::name;
use crate::plans::{Guest, source, with_management};
use crate::transcript::LIMIT;

/// Processors enough for more resets, one after another, than fit into the two seconds that
/// teardown waits for a guest's cores.
const PROCESSORS: u32 = 24;
/// All of them but the housekeeping core.
const CORES: &[u32] = &[
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];

/// All cores of a guest reset the same function without end, and so wait for one another: its
/// partition is restarted all the same.
pub fn in_a_queue_delays_no_restart(bench: &Bench) -> Result<()> {
    let mut machine = bench.machine_with_nvme()?;
    machine.processors = PROCESSORS;
    let guest = Guest::alpha("resetter").with_cores(CORES);
    let plan = source(&machine, &[guest.with_virtual_function(1)]);
    let mut emulator = bench.start(&machine, &with_management(&plan, "0x2f8"))?;
    let mut channel = emulator.channel()?;
    emulator.wait_for_text("resets its function", LIMIT)?;
    channel.order(&Request::Restart {
        partition: name("alpha")?,
        manner: StopManner::Forced,
    })?;
    let end = emulator.wait_for("the next guest", LIMIT, |message| match message {
        Message::Event(Event::Failed { why, .. }) => Some(format!("it failed because {why}")),
        Message::Console { text, .. } => Some(text.clone()),
        _ => None,
    })?;
    ensure!(end == "PASS resetter", "{end}");
    Ok(())
}
