//! The runtime of the test guests: from the PVH entry to one line that says how it went.
//!
//! A guest is a `fn main() -> Verdict` that [`guest!`] makes the image's entry. It prints
//! what it likes by [`say!`], and the runtime closes with exactly one line, `PASS <name>` or
//! `FAIL <name>: <why>`, and powers the machine off.
//!
//! Machine state on `main`: 64-bit mode, one core, the first 4 GiB mapped to themselves,
//! writable, x2APIC mode with the local APIC on, every vector of the IDT counted in
//! [`interrupts::received`], interrupts off.
//!
//! With `delay=N` on its command line the runtime waits N milliseconds and says `begins`
//! before it calls `main`.
//!
//! A guest is made for a partition of Bulkhead. It starts under plain QEMU too
//! (`-kernel`), where what only a partition denies is reported as a failure.
//!
//! Not handled: other cores but by [`smp`], the floating point unit, more than one PCI bus.

#![no_std]

pub mod acpi;
pub mod apic;
mod boot;
pub mod command_line;
pub mod console;
pub mod control_registers;
pub mod exits;
mod heap;
pub mod instruction;
pub mod interrupts;
pub mod io_apic;
pub mod management;
pub mod memory;
pub mod msix;
pub mod nvme;
pub mod pci;
pub mod power;
pub mod processors;
pub mod ram;
pub mod registers;
pub mod smp;
mod verdict;
pub mod virtio;
pub mod wait;

pub use interrupts::{Exception, catch};
pub use verdict::{Failure, Guest, Verdict, announce_pass, finish};
