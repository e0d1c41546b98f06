//! Words about long work, on standard error; colours only on a terminal.

use std::io::{self, IsTerminal};

/// Says what is being done.
pub fn step(verb: &str, what: &str) {
    if io::stderr().is_terminal() {
        eprintln!("\x1b[1;32m{verb:>12}\x1b[0m {what}");
    } else {
        eprintln!("{verb:>12} {what}");
    }
}
