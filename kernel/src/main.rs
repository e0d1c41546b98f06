//! Bulkhead's kernel: the only code that runs in root mode.
//!
//! This file is the table of contents of a boot. What is where, and why, is in
//! `ARCHITECTURE.md`; what is not handled, in `CAVEATS.md`.

#![no_std]
#![no_main]

mod cpu;
mod crash;
mod host;
mod housekeeping;
mod iommu;
mod machine;
mod mgmt;
mod module;
mod partition;
mod pci;
mod steward;
mod vcpu;

use boot as _;
use boot_info::BootInfo;
use plan::SerialPort;
use vcpu::Backend;
use vcpu::svm::{self, Svm};
use vcpu::vmx::{self, Vmx};

use crate::machine::Foundation;

/// Where every boot protocol ends: on the bootstrap processor, in 64-bit mode, with
/// interrupts off.
#[unsafe(no_mangle)]
fn kernel_main(boot: Result<BootInfo, &'static str>) -> ! {
    // Until the plan is known to want another.
    // SAFETY: nothing else uses these ports, at which a PC has a 16550 or nothing.
    unsafe { host::console::open(SerialPort::FIRST_PORT) };
    log!("Bulkhead {}", env!("CARGO_PKG_VERSION"));
    cpu::descriptors::make_interrupt_tables();
    cpu::descriptors::load_interrupt_table();
    let boot = boot.unwrap_or_else(|why| cannot_run(why));
    host::heap::initialise();
    let foundation = Foundation::lay(&boot).unwrap_or_else(|why| cannot_run(why));
    // The one place where a back end is chosen.
    if vmx::is_present() {
        start::<Vmx>(foundation)
    } else if svm::is_present() {
        start::<Svm>(foundation)
    } else {
        cannot_run(
            "the CPU has neither VMX nor SVM; enable virtualisation in the firmware, or under \
             QEMU use -cpu EPYC-Rome,+x2apic",
        )
    }
}

fn start<B: Backend>(foundation: Foundation) -> ! {
    match B::check() {
        Ok(()) => machine::run::<B>(foundation),
        Err(missing) => cannot_run(missing),
    }
}

/// Says why this machine cannot be used, and halts.
fn cannot_run(why: impl core::fmt::Display) -> ! {
    log!("cannot run here: {why}");
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
