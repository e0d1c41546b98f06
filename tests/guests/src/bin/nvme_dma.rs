//! Points its NVMe function at memory that is not the partition's.
//!
//! `target=A,B,…` gives the addresses. First an Identify into the guest's own memory must
//! work, or the failures afterwards would prove nothing.

#![no_std]
#![no_main]

use test_guests::memory::Region;
use test_guests::nvme::{
    Controller, OWN_BUFFER, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Outcome,
};
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, command_line, ensure, guest, say, wait};

guest!(main);

/// Time for a fault to be told, 200 ms at 1 GHz: an IOMMU may have one place for faults, and
/// drops those that come while it is taken.
const REPORT_TICKS: u64 = 200_000_000;

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let controller = Controller::new(&Function::first().ok_or(none)?)?;
    identify_into_own_memory(&controller)?;
    let mut count: u32 = 0;
    for target in command_line::numbers("target") {
        attack(&controller, target)?;
        count = count.wrapping_add(1);
    }
    ensure!(count > 0, "no target is given");
    identify_into_own_memory(&controller)
}

fn identify_into_own_memory(controller: &Controller) -> Verdict {
    let unmapped = Failure::new(format_args!("the buffer cannot be mapped"));
    let buffer = Region::new(OWN_BUFFER, 4096).ok_or(unmapped)?;
    buffer.clear();
    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    controller.prepare_identify(OWN_BUFFER);
    let outcome = controller.run_first();
    ensure!(outcome == Outcome::Completed(0), "Identify: {outcome:x?}");
    let vendor = buffer.read::<u16>(0);
    ensure!(vendor != 0, "Identify wrote nothing");
    say!("Identify works: vendor {vendor:#x}");
    Ok(())
}

/// Fetches commands from the target, writes data there, and writes completions there.
fn attack(controller: &Controller, target: u64) -> Verdict {
    controller.restart(target, OWN_COMPLETION_QUEUE)?;
    let fetched = run_first(controller);
    say!("commands from {target:#x}: {fetched:x?}");
    ensure!(
        !matches!(fetched, Outcome::Completed(_)),
        "a command was fetched from {target:#x}"
    );

    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    controller.prepare_identify(target);
    let written = run_first(controller);
    // Not judged here: QEMU's controller reports success for data that the IOMMU dropped.
    // Whoever watches from outside looks at the target's memory and at the fault.
    say!("data to {target:#x}: {written:x?}");

    controller.restart(OWN_SUBMISSION_QUEUE, target)?;
    controller.prepare_identify(OWN_BUFFER);
    let completed = run_first(controller);
    say!("completion to {target:#x}: {completed:x?}");
    ensure!(
        !matches!(completed, Outcome::Completed(_)),
        "a completion came from nowhere"
    );
    Ok(())
}

fn run_first(controller: &Controller) -> Outcome {
    let outcome = controller.run_first();
    wait::pass(REPORT_TICKS);
    outcome
}
