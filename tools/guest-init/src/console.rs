//! Prints on the kernel's console by way of the kernel's log, never by its terminal.
//!
//! With `console=hvc0` that is the console without exits, whose driver this program loads; what
//! was said before appears then.
//!
//! A terminal that has once been opened stays alive where it is the console (Linux 6.1,
//! `drivers/tty/tty_port.c`, `tty_port_shutdown`), and a 16550 without an interrupt is then
//! polled by a timer for ever: some eighty exits a second. The kernel's log writes to the
//! port when there is something to say, and at no other time.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::exits::{self, Window};
use crate::finding::Finding;
use crate::modules;

/// Facility "user", priority "emergency": the only one that [`prepare`] leaves on the console.
const PRIORITY: &str = "<8>";

/// Makes what is printed appear whole, alone and without a time stamp.
pub fn prepare() -> io::Result<()> {
    // By default the log takes ten lines in five seconds from a program.
    // The line feed has to be there.
    fs::write("/proc/sys/kernel/printk_devkmsg", "on\n")?;
    fs::write("/sys/module/printk/parameters/time", "0")?;
    // Of the kernel's own messages, only emergencies: the first number is the console's level.
    fs::write("/proc/sys/kernel/printk", "1")
}

/// The terminal of the console without exits, once its driver is there.
pub const EXITLESS: &str = "/dev/hvc0";
/// What its driver's set-up may cost.
const MOST_SET_UP_EXITS: u64 = 120;

/// Loads the driver of the console without exits, if the kernel is to print there, and reports
/// what that has cost.
pub fn start(command_line: &str, cores: usize) -> io::Result<()> {
    let mut words = command_line.split_whitespace();
    if !words.any(|word| word == "console=hvc0") {
        return Ok(());
    }
    let window = Window::open();
    modules::load("virtio_pci")?;
    modules::load("virtio_console")?;
    let exits = window.close();
    // On several cores the kernel's own interrupts between them are as many as it likes.
    let judged = exits::judged(cores, &exits);
    let is_there = Path::new(EXITLESS).exists();
    Finding::new("console", is_there && judged <= MOST_SET_UP_EXITS)
        .number("judged", judged)
        .raw("exits", &exits::to_json(&exits))
        .print();
    Ok(())
}

/// Prints one line. A log that cannot be written leaves nobody to tell.
pub fn print(line: &str) {
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record.
        let _ = log.write_all(format!("{PRIORITY}{line}\n").as_bytes());
    }
}
