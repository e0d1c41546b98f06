//! `bulkhead completions` and `bulkhead man`: what packages install beside the tool.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::output::{self, Format};
use crate::problem::Problem;

/// Prints the completions for a shell.
pub fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, "bulkhead", &mut script);
    output::status(output::write(&script), Format::Text)
}

/// Writes a manual page for each command.
pub fn man(folder: &Path) -> ExitCode {
    let made = std::fs::create_dir_all(folder);
    let written = made.and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
    let written = written
        .map_err(|error| Problem::here(format!("cannot write to {}: {error}", folder.display())));
    output::status(written, Format::Text)
}
