//! The user's tool.
//!
//! `bulkhead plan` works on plans. `bulkhead ctl`, `top` and `exporter` ask a machine
//! over its management channel. Messages for people go to standard error, results to standard output, with
//! `--json` as one JSON object a line.

#![forbid(unsafe_code)]

mod arguments;
mod channel;
mod ctl;
mod documents;
mod exporter;
mod output;
mod plans;
mod problem;
mod text;
mod top;

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
        Command::Plan {
            command: PlanCommand::Show { input, svg },
        } => plans::show(&input, svg.as_deref()),
        Command::Ctl(arguments) => ctl::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Exporter(arguments) => exporter::run(&arguments),
        Command::Completions { shell } => documents::completions(shell),
        Command::Man { folder } => documents::man(&folder),
    }
}
