//! Prints on the kernel's console, which is open only for that moment.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use crate::system;

/// Prints one line. A console that cannot be written leaves nobody to tell.
pub fn print(line: &str) {
    let console = OpenOptions::new()
        .write(true)
        .custom_flags(system::NO_CONTROLLING_TERMINAL)
        .open("/dev/console");
    if let Ok(mut console) = console {
        // One write, so that lines of the kernel cannot come between.
        let _ = console.write_all(format!("{line}\n").as_bytes());
        system::drain(&console);
    }
}
