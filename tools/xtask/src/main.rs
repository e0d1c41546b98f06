//! The one driver of the project: `cargo xtask build|run|test|bench|demo|lint|setup|symbolize|prepush`.
//!
//! It installs what is missing, builds Bulkhead for the bare machine with whichever toolchain
//! has its library source, makes the guests' images and the emulated disks, starts the
//! emulator and judges what it says. What it makes is under `target/`; the stock kernel
//! package is kept in the user's cache.
//!
//! Not handled: hosts other than Debian and its derivatives (setup then says what to install).

#![forbid(unsafe_code)]

mod bare;
mod bench;
mod check;
mod command;
mod count;
mod course;
mod dormant;
mod guest;
mod lint;
mod machine;
mod paths;
mod progress;
mod run;
mod setup;
mod soak;
mod symbolize;
mod test;
mod text;
mod toolchain;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::compare::Rival;
use course::End;
use machine::Choice;
use paths::Paths;
use test::Wanted;

/// The machines that tests run on: those that need nothing of the host.
const TESTED: [Choice; 2] = [Choice::Qemu, Choice::Bochs];

/// Builds, runs and tests Bulkhead.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Find what the other tasks need, and install what is missing
    Setup,
    /// Build the kernel, the test guests, the tools and the guests' images
    Build,
    /// Boot Bulkhead with the example plan and show the partitions' consoles
    Run {
        /// What to boot it on
        #[arg(long, value_name = "NAME", default_value = "qemu")]
        machine: Choice,
        /// Unattended: end by itself, exit 0 only if every check of every partition holds,
        /// and print one line of JSON last
        #[arg(long)]
        check: bool,
        /// The plan to boot instead of the example
        #[arg(long, value_name = "FILE")]
        plan: Option<PathBuf>,
        /// End an unattended run after this long
        #[arg(
            long,
            value_name = "SECONDS",
            default_value_t = check::DEFAULT_LIMIT_SECONDS,
            requires = "check"
        )]
        limit: u64,
        /// Keep the machine after its last guest has stopped, until Ctrl-C: the time to manage it
        #[arg(long, conflicts_with = "check")]
        stay: bool,
    },
    /// Run every test: host tests, property tests and the emulator cases
    Test {
        /// Only tests and cases whose name contains this
        filter: Option<String>,
        /// Only the emulator cases
        #[arg(long)]
        cases: bool,
        /// Run nothing: name the emulator cases
        #[arg(long)]
        list: bool,
        /// The emulator cases on this machine alone, instead of on QEMU and Bochs
        #[arg(long, value_name = "NAME")]
        machine: Option<Choice>,
    },
    /// Count exits, instructions, bytes and lines, and compare with what is committed
    Bench(bench::Arguments),
    /// Restart guests over and over beside one that computes, and count everything
    Soak {
        /// How often a bare guest is restarted
        #[arg(long, value_name = "N", default_value_t = 10_000)]
        tiny: u32,
        /// How often a stock Linux is restarted
        #[arg(long, value_name = "N", default_value_t = 200)]
        linux: u32,
        /// What to do it on
        #[arg(long, value_name = "NAME", default_value = "qemu")]
        machine: Choice,
        /// Print what was counted as one line of JSON for each guest
        #[arg(long)]
        json: bool,
    },
    /// Show something that is hard to believe
    Demo {
        #[command(subcommand)]
        demo: Demo,
    },
    /// Check format, lints, lengths, the places of `unsafe`, and the layers
    Lint,
    /// Read a crash record on standard input and name the addresses in it
    Symbolize {
        /// The ELF that crashed, instead of the kernel built last
        #[arg(long, value_name = "FILE")]
        elf: Option<PathBuf>,
    },
    /// What continuous integration runs: lint, test, run --check on QEMU and on Bochs, bench --gate
    Prepush,
}

/// What is shown.
#[derive(Debug, Subcommand)]
enum Demo {
    /// The dormant hypervisor: what running guests do not need of Bulkhead is overwritten
    Dormant {
        /// Only list what is overwritten and what stays, with the bytes of each function
        #[arg(long)]
        list: bool,
        /// Let a guest execute CPUID afterwards, which nobody answers any more
        #[arg(long)]
        provoke_exit: bool,
        /// How long the guests are watched afterwards, by their own clocks
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        seconds: u64,
        /// Print one line of JSON last on standard output, and all else on standard error
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    match execute(&Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Carries out `task`; `false` means that it ran and found something wrong.
fn execute(task: &Task) -> Result<bool> {
    let paths = Paths::find()?;
    match task {
        Task::Setup => {
            setup::run(&paths)?;
            setup::bochs(&paths).map(|_| true)
        }
        Task::Build => build(&paths).map(|()| true),
        Task::Run {
            machine,
            check,
            plan,
            limit,
            stay,
        } => {
            let prepared = run::prepare(&paths, *machine, plan.as_deref())?;
            if *check {
                check::run(&paths, &prepared, *limit)
            } else {
                run::run(&paths, &prepared, End::from_flag(*stay))
            }
        }
        Task::Test {
            filter, list: true, ..
        } => test::list(filter.as_deref()).map(|()| true),
        Task::Test {
            filter,
            cases,
            machine,
            ..
        } => {
            let machines = machine.map_or_else(|| TESTED.to_vec(), |machine| vec![machine]);
            let wanted = Wanted {
                filter: filter.as_deref(),
                only_cases: *cases,
            };
            test::run(&paths, wanted, &machines)
        }
        Task::Bench(arguments) => bench(&paths, *arguments),
        Task::Soak {
            tiny,
            linux,
            machine,
            json,
        } => soak::run(
            &paths,
            *machine,
            [*tiny, *linux],
            soak::Format::from_flag(*json),
        ),
        Task::Demo { demo } => demonstrate(&paths, demo),
        Task::Lint => lint::run(&paths),
        Task::Symbolize { elf } => symbolize::run(&paths, elf.as_deref()).map(|()| true),
        Task::Prepush => prepush(&paths),
    }
}

fn demonstrate(paths: &Paths, demo: &Demo) -> Result<bool> {
    match demo {
        Demo::Dormant { list: true, .. } => {
            build(paths)?;
            text::list(paths).map(|()| true)
        }
        Demo::Dormant {
            provoke_exit,
            seconds,
            json,
            ..
        } => {
            let wish = if *provoke_exit {
                dormant::Wish::ProvokeExit
            } else {
                dormant::Wish::WorkOn
            };
            dormant::run(paths, wish, Duration::from_secs(*seconds), *json)
        }
    }
}

fn build(paths: &Paths) -> Result<()> {
    let toolchain = setup::run(paths)?;
    guest::build(paths)?;
    bare::build_kernel(paths, &toolchain)?;
    bare::build_test_guests(paths, &toolchain)
}

fn bench(paths: &Paths, arguments: bench::Arguments) -> Result<bool> {
    if let Some(Rival::Kvm) = arguments.compare {
        build(paths)?;
        return bench::compare::run(paths).map(|()| true);
    }
    let linux = run::prepare(paths, Choice::Qemu, None)?;
    bench::run(paths, &linux, arguments)
}

fn prepush(paths: &Paths) -> Result<bool> {
    let holds = |machine| {
        let prepared = run::prepare(paths, machine, None)?;
        check::run(paths, &prepared, check::DEFAULT_LIMIT_SECONDS)
    };
    Ok(lint::run(paths)?
        && test::run(paths, Wanted::default(), &TESTED)?
        && holds(Choice::Qemu)?
        && holds(Choice::Bochs)?
        && bench(paths, bench::Arguments::GATE)?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_run_that_stays_is_not_unattended() {
        let parse = |words: &[&str]| Arguments::try_parse_from([&["xtask", "run"], words].concat());
        assert!(parse(&["--stay"]).is_ok());
        assert!(parse(&["--stay", "--check"]).is_err());
    }
}
