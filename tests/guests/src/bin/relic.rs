//! Leaves behind what it can, in memory, registers and the local APIC, and ends as told. When
//! it is started again it looks for what it has left: nothing must be there.
//!
//! `pattern=N` is what memory is filled with, `end=reset`, `end=triple`, or `end=never`: then
//! it stays, with its memory filled.

#![no_std]
#![no_main]

use test_guests::interrupts::received_elsewhere;
use test_guests::memory::Region;
use test_guests::wait::TIMER_VECTOR;
use test_guests::{
    Failure, Verdict, apic, command_line, ensure, exits, fail, guest, instruction, power,
    registers, say, wait,
};

guest!(main);

/// Memory that nothing else uses.
const AREA_START: u64 = 0x100_0000;
const AREA_BYTES: u64 = 0x20_0000;
/// Vectors on which interrupts are left pending: one that a hypervisor may take for an
/// exception, and one of any others.
const LEFT_PENDING: [u8; 2] = [20, 0x50];

fn main() -> Verdict {
    let unmapped = Failure::new(format_args!("the memory cannot be mapped"));
    let area = Region::new(AREA_START, AREA_BYTES).ok_or(unmapped)?;
    if exits::life() == 1 {
        leave(&area)
    } else {
        look(&area)
    }
}

fn leave(area: &Region) -> Verdict {
    let pattern = command_line::numbers("pattern").next().unwrap_or(0);
    // Not the number itself, which the command line has.
    let word = pattern.rotate_left(7) ^ AREA_START;
    for offset in (0..AREA_BYTES).step_by(8) {
        area.write(offset, word);
    }
    registers::fill()?;
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, 1_000_000).map_err(faulted)?;
    for vector in LEFT_PENDING {
        apic::send(apic::shorthand::SELF | u64::from(vector)).map_err(faulted)?;
    }
    say!("filled");
    match command_line::value("end") {
        Some("reset") => power::reset(),
        Some("triple") => instruction::triple_fault(),
        _ => instruction::spin_for_ever(),
    }
    fail!("the end did not come")
}

fn look(area: &Region) -> Verdict {
    registers::check()?;
    let mut offsets = (0..AREA_BYTES).step_by(8);
    let left = offsets.find(|offset| area.read::<u64>(*offset) != 0);
    ensure!(left.is_none(), "memory is not clear at {left:x?}");
    wait::halted("nothing", || {
        received_elsewhere(&[TIMER_VECTOR]) > 0 || is_late()
    })?;
    let foreign = received_elsewhere(&[TIMER_VECTOR]);
    ensure!(foreign == 0, "{foreign} interrupts were left pending");
    say!("clean");
    instruction::spin_for_ever()
}

/// Whether some interrupts of the own timer have come: by then all that was pending has, too.
fn is_late() -> bool {
    test_guests::interrupts::received(TIMER_VECTOR) >= 3
}
