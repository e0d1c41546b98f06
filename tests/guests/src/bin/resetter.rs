//! Resets its function on all of its cores again and again, until the partition is started anew.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, Ordering};

use test_guests::pci::Function;
use test_guests::{Failure, Verdict, apic, exits, guest, processors, say, smp};

guest!(main);

/// The PCI Express capability and its Device Control register, with the bit that resets the
/// function (PCI Express Base Specification 6.0, section 7.5.3.4).
const EXPRESS: u8 = 0x10;
const DEVICE_CONTROL: u64 = 0x08;
const INITIATE_RESET: u16 = 1 << 15;

/// Whether all cores have been started.
static BEGINS: AtomicBool = AtomicBool::new(false);

fn main() -> Verdict {
    if exits::life() > 1 {
        return Ok(());
    }
    let own = apic::id();
    for id in processors::apic_ids().filter(|id| *id != own) {
        smp::start(id, help)?;
    }
    say!("resets its function");
    BEGINS.store(true, Ordering::Release);
    reset_for_ever()
}

fn help() {
    while !BEGINS.load(Ordering::Acquire) {
        core::hint::spin_loop();
    }
    // The first core says it if there is no such function.
    let _ = reset_for_ever();
}

fn reset_for_ever() -> Verdict {
    let none = Failure::new(format_args!("no function at 00:01.0 that can be reset"));
    let function = Function::first().ok_or(none)?;
    let express = function.capability(EXPRESS).ok_or(none)?;
    let register = express.saturating_add(DEVICE_CONTROL);
    loop {
        function.write(register, INITIATE_RESET);
    }
}
