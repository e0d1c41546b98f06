//! The command line.

mod ctl;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use ctl::{
    Console, Ctl, CtlCommand, Exporter, Follow, Part, Replacing, Starting, Stopping, Top,
};

const EXIT_STATUS: &str = "\
Exit status:
  0  the plan breaks no rule
  1  the plan breaks a rule; every violation is printed
  2  wrong usage, or the output could not be written";

/// Partitions a server into guests that own their cores, memory and PCI functions.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check and compile plans, the static descriptions of a machine's partitioning.
    Plan {
        #[command(subcommand)]
        command: PlanCommand,
    },
    /// See and control a machine's partitions over its management channel.
    Ctl(Ctl),
    /// Show a machine live: partitions, exits, events and a console.
    Top(Top),
    /// Serve a machine's counters to Prometheus.
    Exporter(Exporter),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages.
    Man {
        /// The folder that they go to. It is made if it is not there.
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// Check a plan against every rule, and the images that it names.
    #[command(after_help = EXIT_STATUS)]
    Check(Input),
    /// Check a plan and write the boot module: the plan's binary form and its images.
    ///
    /// Boot it as the kernel's one module: `-initrd` in QEMU, `module2` in GRUB.
    #[command(after_help = EXIT_STATUS)]
    Compile {
        #[command(flatten)]
        input: Input,
        /// Where to write the boot module.
        #[arg(short, long, value_name = "OUT")]
        output: PathBuf,
    },
    /// Draw who owns which cores, memory and PCI functions.
    #[command(after_help = EXIT_STATUS)]
    Show {
        #[command(flatten)]
        input: Input,
        /// Write a picture instead of drawing in the terminal.
        #[arg(long, value_name = "OUT", conflicts_with = "json")]
        svg: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Input {
    /// The plan's source, in TOML.
    pub file: PathBuf,
    /// Look for the images here instead of next to the plan.
    #[arg(long, value_name = "DIRECTORY")]
    pub images: Option<PathBuf>,
    /// Print one JSON object on standard output, for programs.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
