//! Ends while its NVMe function has reads under way. When it is started again it watches the
//! memory that they were for: nothing may arrive there, and the function must work.
//!
//! `namespace=N` is the one to read from. With `end=never` it stays, and the data arrive.

#![no_std]
#![no_main]

use test_guests::interrupts::received;
use test_guests::memory::Region;
use test_guests::nvme::{
    Controller, OWN_BUFFER, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Outcome,
};
use test_guests::pci::Function;
use test_guests::wait::TIMER_VECTOR;
use test_guests::{Failure, Verdict, command_line, ensure, exits, guest, instruction, say, wait};

guest!(main);

/// Where the data go.
const BUFFER: u64 = 0x100_0000;
const BUFFER_BYTES: u64 = 0x1_0000;
/// How many reads are under way.
const READS: u32 = 15;
/// How many timer periods the next guest watches for: two seconds.
const PERIODS: u32 = 100;

fn main() -> Verdict {
    let is_first_life = exits::life() == 1;
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let unmapped = Failure::new(format_args!("the buffer cannot be mapped"));
    let buffer = Region::new(BUFFER, BUFFER_BYTES).ok_or(unmapped)?;
    if !is_first_life {
        watch(&buffer)?;
    }
    let controller = Controller::new(&Function::first().ok_or(none)?)?;
    controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
    if is_first_life {
        return leave_under_way(&controller);
    }
    controller.prepare_identify(OWN_BUFFER);
    let outcome = controller.run_first();
    ensure!(outcome == Outcome::Completed(0), "Identify: {outcome:x?}");
    say!("clean");
    instruction::spin_for_ever()
}

fn leave_under_way(controller: &Controller) -> Verdict {
    let namespace = command_line::numbers("namespace").next().unwrap_or(0);
    let namespace = u32::try_from(namespace).unwrap_or(0);
    controller.create_io_queue(None)?;
    say!("begins to read");
    controller.start_reads(namespace, BUFFER, BUFFER_BYTES, READS)?;
    if command_line::value("end") == Some("never") {
        instruction::spin_for_ever();
    }
    instruction::triple_fault()
}

fn watch(buffer: &Region) -> Verdict {
    let mut arrived = None;
    wait::halted("the end of the watch", || {
        let mut offsets = (0..BUFFER_BYTES).step_by(512);
        arrived = arrived.or_else(|| offsets.find(|offset| buffer.read::<u64>(*offset) != 0));
        arrived.is_some() || received(TIMER_VECTOR) >= PERIODS
    })?;
    ensure!(arrived.is_none(), "data arrived at {arrived:x?}");
    Ok(())
}
