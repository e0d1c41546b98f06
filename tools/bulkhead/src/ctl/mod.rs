//! `bulkhead ctl`: one machine, asked over its management channel.

mod confirm;
mod console;
mod counters;
mod follow;
mod json;
mod lifecycle;
mod list;
mod people;
mod replace;
mod seal;
mod show;

use std::process::ExitCode;

use confirm::Consent;
pub use follow::event_line;

use crate::arguments::{Ctl, CtlCommand};
use crate::channel::Client;
use crate::output::{self, Format};
use crate::problem::Problem;

/// Carries the command out.
pub fn run(arguments: &Ctl) -> ExitCode {
    let format = Format::from_flag(arguments.json);
    output::status(try_run(arguments, format), format)
}

fn try_run(arguments: &Ctl, format: Format) -> Result<(), Problem> {
    let mut client = Client::connect(&arguments.channel.connection()?)?;
    let client = &mut client;
    match &arguments.command {
        CtlCommand::List => list::list(client, format),
        CtlCommand::Show { partition: None } => show::machine(client, format),
        CtlCommand::Show {
            partition: Some(name),
        } => show::partition(client, name, format),
        CtlCommand::Start(starting) => lifecycle::start(client, starting, format),
        CtlCommand::Stop(stopping) => lifecycle::stop(client, stopping, format),
        CtlCommand::Restart(stopping) => lifecycle::restart(client, stopping, format),
        CtlCommand::Console(arguments) => console::run(client, arguments, format),
        CtlCommand::Events(arguments) => follow::events(client, arguments, format),
        CtlCommand::Faults(arguments) => follow::faults(client, arguments, format),
        CtlCommand::Log(arguments) => follow::log(client, arguments, format),
        CtlCommand::Counters { partition } => {
            counters::counters(client, partition.as_deref(), format)
        }
        CtlCommand::Replace(replacing) => replace::run(client, replacing),
        CtlCommand::Seal { yes } => seal::seal(client, Consent::from_flag(*yes), format),
        CtlCommand::Reset { yes } => lifecycle::reset(client, Consent::from_flag(*yes)),
    }
}
