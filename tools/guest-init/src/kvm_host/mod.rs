//! The first level of the comparison with KVM: a stock Linux that gives one virtual function
//! of the machine's NVMe controller to a guest, which QEMU runs with KVM and VFIO.
//!
//! What QEMU is told is in the file [`ARGUMENTS`], one argument a line. The guest's console
//! comes out as `[guest] …`; once the guest has switched itself off, what KVM has counted comes
//! as `[kvm] …`, and the machine is switched off in turn.
//!
//! Not handled: anything but the bench's machine: one physical function, one guest.

mod function;
mod machine;

use std::fs;
use std::io;

use machine::Machine;

use crate::modules;

/// The drivers beside that of the physical function.
const DRIVERS: [&str; 3] = ["kvm-amd", "vfio-iommu-type1", "vfio-pci"];
/// What QEMU is told: the program's path, and then its arguments.
const ARGUMENTS: &str = "/host/arguments";
/// The virtual function that the guest gets, counted from 1, and its namespace: those of
/// partition `alpha` in the example plan.
const VIRTUAL_FUNCTION: u16 = 1;
const NAMESPACE: u32 = 2;

/// Runs the guest from its start to its end.
pub fn run() -> io::Result<()> {
    for driver in DRIVERS {
        modules::load(driver)?;
    }
    function::provide(VIRTUAL_FUNCTION, NAMESPACE)?;
    let arguments = fs::read_to_string(ARGUMENTS)?;
    let mut machine = Machine::start(&arguments)?;
    machine.run().map_err(|error| machine.explain(&error))
}
