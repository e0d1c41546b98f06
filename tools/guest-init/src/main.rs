//! The initial RAM disk's own program: checks what a partition was promised.
//!
//! It is process 1 of a stock Linux kernel. It mounts the usual file systems, loads the NVMe
//! driver if there is to be a disk and the console's if it is to print there, checks, prints one line of JSON for each finding (`check: {…}`), and powers off,
//! at once if the power button is pressed: see [`power_button`].
//! What to expect is on the kernel's command line, as `bulkhead.…=…`: see [`expectation`].
//!
//! It is one process from start to end: the start of another would execute CPUID in its C
//! library, each time an exit. It never opens a terminal: see [`console`].
//!
//! Not handled: anything that a real init is for. A failure of its own is a finding too, and
//! ends in a power-off, never in a kernel panic by a dying process 1.

#![deny(unsafe_code)]

mod console;
mod dormant;
mod exits;
mod expectation;
mod finding;
mod identity;
mod interrupts;
mod kvm_host;
mod lives;
mod memory;
mod modes;
mod modules;
mod power_button;
mod storage;
mod system;
mod work;

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};

use expectation::Expectation;
use finding::Finding;

fn main() {
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => Finding::new("init", false)
            .text("why", &error.to_string())
            .print(),
        Err(_) => Finding::new("init", false).text("why", "panicked").print(),
    }
    system::power_off();
}

fn run() -> io::Result<()> {
    let boot = exits::read();
    mount_all()?;
    system::detach_standard_streams()?;
    console::prepare()?;
    let command_line = fs::read_to_string("/proc/cmdline")?;
    let expectation = Expectation::parse(&command_line);
    console::start(&command_line, expectation.cores)?;
    system::lock_memory()?;
    if !expectation.is_loading_by_itself() {
        if expectation.has_disk() {
            modules::load("nvme")?;
        }
        power_button::obey()?;
    }
    modes::run(&expectation, &boot)
}

fn mount_all() -> io::Result<()> {
    for (source, target, kind) in [
        ("proc", "/proc", "proc"),
        ("sysfs", "/sys", "sysfs"),
        ("devtmpfs", "/dev", "devtmpfs"),
    ] {
        fs::create_dir_all(target)?;
        system::mount(source, target, kind)?;
    }
    Ok(())
}
