//! What a guest does with its function's reset, or leaves in a function that has none, is over
//! when the guest is.

use anyhow::{Result, ensure};
use harness::{Bench, Event, Message};
use mgmt_proto::{Request, State, StopCause, StopManner};

use crate::managed::{expect, name};
use crate::plans::{ALPHA_START, Guest, source, with_management};
use crate::qtest::Qtest;
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

/// QEMU's device for lessons: conventional PCI, so without a reset of its own, and with MSI.
const FUNCTION: &str = "edu,bus=pcie.0,addr=05.0";
/// Where SeaBIOS puts its configuration space, and its MSI capability there: the identifier and
/// the control register.
const MSI: u64 = 0xb002_8040;
const MSI_CONTROL: u64 = MSI + 2;
const MSI_IDENTIFIER: u16 = 0x05;
const MSI_ENABLE: u16 = 1 << 0;

/// A guest switches the MSI of a function on that cannot be reset, and is stopped: MSI is off.
pub fn is_made_up_for_where_there_is_none(bench: &Bench) -> Result<()> {
    let mut machine = bench.machine();
    machine
        .extra
        .extend(["-device", FUNCTION].map(str::to_owned));
    Qtest::prepare(bench, &mut machine);
    let guest = Guest::named("beta", "msi", &[1], ALPHA_START);
    let plan = source(&machine, &[guest.with_function_at("00:05.0")]);
    let plan = with_management(&plan, "0x2f8") + "[[machine.function]]\naddress = \"00:05.0\"\n";
    let mut emulator = bench.start(&machine, &plan)?;
    let mut channel = emulator.channel()?;
    emulator.wait_for_text("MSI is on", LIMIT)?;
    let mut outside = Qtest::connect(bench)?;
    let identifier = outside.read16(MSI)? & 0xff;
    ensure!(identifier == MSI_IDENTIFIER, "{identifier:#x} is not MSI's");
    let on = outside.read16(MSI_CONTROL)?;
    ensure!(on & MSI_ENABLE != 0, "the guest has MSI on: {on:#x}");
    channel.order(&Request::Stop {
        partition: name("beta")?,
        manner: StopManner::Forced,
    })?;
    expect(&mut channel, State::Stopped, Some(StopCause::Administrator))?;
    let off = outside.read16(MSI_CONTROL)?;
    ensure!(off & MSI_ENABLE == 0, "MSI stays on: {off:#x}");
    Ok(())
}
