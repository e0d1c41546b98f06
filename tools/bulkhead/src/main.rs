//! The user's tool.
//!
//! `bulkhead plan check` and `bulkhead plan compile` work on plans; messages for people go
//! to standard error, and with `--json` one object goes to standard output.

#![forbid(unsafe_code)]

mod arguments;
mod json;
mod plans;
mod pretty;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command, PlanCommand};

fn main() -> ExitCode {
    let Arguments { command } = Arguments::parse();
    match command {
        Command::Plan {
            command: PlanCommand::Check(input),
        } => plans::check(&input),
        Command::Plan {
            command: PlanCommand::Compile { input, output },
        } => plans::compile(&input, &output),
    }
}
