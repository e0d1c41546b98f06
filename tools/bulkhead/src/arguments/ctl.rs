//! `bulkhead ctl`, `top` and `exporter`, and how every command finds its machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::channel::{Address, Connection};
use crate::problem::Problem;

const EXIT_STATUS: &str = "\
Exit status:
  0  done
  1  the machine refuses it, or it did not come to its end
  2  wrong usage, or the machine cannot be reached";

/// The shortest time that is waited for anything.
const SHORTEST: Duration = Duration::from_millis(100);

/// Where the machine is.
#[derive(Debug, Args)]
pub struct Channel {
    /// The machine's management channel: a serial device, tcp:HOST:PORT or unix:PATH; in a
    /// partition that may manage others, pci or pci:FUNCTION.
    #[arg(long, value_name = "ADDRESS", env = "BULKHEAD_CHANNEL", global = true)]
    to: Option<Address>,
    /// The speed of a serial device.
    #[arg(long, default_value_t = 115_200, global = true)]
    baud: u32,
    /// How long an answer may take, five tries together.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = period, global = true)]
    timeout: Duration,
}

impl Channel {
    /// How to reach the machine.
    pub fn connection(&self) -> Result<Connection, Problem> {
        // An empty variable is as good as none.
        let said = self.to.clone().filter(|to| !to.to_string().is_empty());
        let address = said.ok_or_else(|| {
            Problem::here(
                "where is the machine? Say --to ADDRESS, or set BULKHEAD_CHANNEL, to a serial \
                 device, tcp:HOST:PORT or unix:PATH; in a partition that may manage others, to pci",
            )
        })?;
        Ok(Connection {
            address,
            baud: self.baud,
            timeout: self.timeout,
        })
    }
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_STATUS)]
pub struct Ctl {
    #[command(flatten)]
    pub channel: Channel,
    /// Print JSON on standard output, one object a line, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: CtlCommand,
}

#[derive(Debug, Subcommand)]
pub enum CtlCommand {
    /// List the partitions with their states.
    List,
    /// Show all about a partition, or about the machine if none is named.
    Show {
        /// Its name, see `ctl list`; the machine if none.
        partition: Option<String>,
    },
    /// Start a stopped partition.
    Start(Starting),
    /// Stop a partition: its guest is asked first, then forced.
    Stop(Stopping),
    /// Stop a partition and start it again, with cleared memory and the images in use.
    Restart(Stopping),
    /// Use a partition's console. Ctrl-] leaves it.
    ///
    /// If standard input is no terminal, it is typed as it is, and the command ends when the
    /// guest has been quiet for a second.
    Console(Console),
    /// Say what happened: starts, stops and their causes.
    Events(Follow),
    /// Say what the IOMMU refused: DMA and interrupts.
    Faults(Follow),
    /// Print Bulkhead's own messages; with --json those for programs as well.
    Log(Follow),
    /// Print the counters of a partition, or of all: exits by reason, denied accesses, faults.
    Counters {
        /// Its name, see `ctl list`; all if none.
        partition: Option<String>,
    },
    /// Replace an image of a partition; its next start uses it.
    ///
    /// A transfer that broke off goes on where it stopped. The old image stays until the new
    /// one is whole and checked. A reset of the machine brings the bundle's images back.
    Replace(Replacing),
    /// Overwrite what running guests do not need of Bulkhead: the dormant hypervisor.
    ///
    /// From then on nothing can be started, and a guest that does what needs Bulkhead, such as
    /// a program's start where CPUID exits, stops its core for good. Only a reset of the
    /// machine undoes it.
    Seal {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Reset the machine, with all its partitions.
    Reset {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub struct Replacing {
    /// Its name, see `ctl list`.
    pub partition: String,
    /// Which of its images.
    pub part: Part,
    /// The new image.
    #[arg(required_unless_present = "original")]
    pub file: Option<PathBuf>,
    /// Take the bundle's image again.
    #[arg(long, conflicts_with = "file")]
    pub original: bool,
}

#[derive(Debug, Args)]
pub struct Starting {
    /// Its name, see `ctl list`.
    pub partition: String,
    /// Do not wait until it runs.
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Stopping {
    /// Its name, see `ctl list`.
    pub partition: String,
    /// Do not ask the guest: take its cores at once.
    #[arg(long)]
    pub force: bool,
    /// How long the guest may take when it is asked.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds, conflicts_with = "force")]
    pub within: Duration,
    /// Do not wait for the end of it.
    #[arg(long)]
    pub no_wait: bool,
}

#[derive(Debug, Args)]
pub struct Console {
    /// Its name, see `ctl list`.
    pub partition: String,
    /// How much of what the guest has printed before is shown.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    pub history: u64,
    /// Print what the guest has printed so far, and leave.
    #[arg(long)]
    pub dump: bool,
}

#[derive(Debug, Args)]
pub struct Follow {
    /// Go on as more comes, until interrupted.
    #[arg(short, long)]
    pub follow: bool,
    /// Leave out what came before: the number of the first event or fault, as --json has it, or
    /// the first byte of the log.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub from: u64,
}

#[derive(Debug, Args)]
pub struct Top {
    #[command(flatten)]
    pub channel: Channel,
    /// How often the partitions are asked for.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = period)]
    pub interval: Duration,
}

#[derive(Debug, Args)]
pub struct Exporter {
    #[command(flatten)]
    pub channel: Channel,
    /// Where Prometheus finds it, at /metrics.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9713")]
    pub listen: String,
}

/// An image of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The kernel, or the ELF file of a bare guest.
    Kernel,
    /// The initial RAM disk.
    Initrd,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A time in which something can happen.
fn period(text: &str) -> Result<Duration, String> {
    let period = seconds(text)?;
    if period < SHORTEST {
        return Err(format!("at least {}", SHORTEST.as_secs_f64()));
    }
    Ok(period)
}
