//! Resets its partition as soon as its NVMe function is gone.

#![no_std]
#![no_main]

use test_guests::nvme::Controller;
use test_guests::pci::Function;
use test_guests::{Failure, Verdict, ensure, fail, guest, power, say, wait};

guest!(main);

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no function at 00:01.0"));
    let controller = Controller::new(&Function::first().ok_or(none)?)?;
    ensure!(!controller.is_gone(), "the function is gone from the start");
    say!("has its function");
    wait::halted("the function's end", || controller.is_gone())?;
    power::reset();
    fail!("the reset register did nothing");
}
