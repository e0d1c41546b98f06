//! Work without an exit, to be looked at while Bulkhead is overwritten: rounds of writing,
//! reading back and comparing.
//!
//! Printing would be an exit, and so would asking for the count of exits. What there is to say
//! goes to the disk, where the host finds it; and so comes the one thing that can be asked for:
//! an exit.

use std::io;
use std::time::{Duration, Instant};

use crate::expectation::Expectation;
use crate::interrupts;
use crate::storage::{self, Disk};
use crate::system;

/// How much one round writes and reads back.
const ROUND_BYTES: u64 = 1 << 20;
/// How often it is said how far the work is.
const INTERVAL: Duration = Duration::from_secs(1);

/// Works for ever.
pub fn work(expectation: &Expectation) -> io::Result<()> {
    let Some(disk) = Disk::open(expectation)? else {
        return Ok(());
    };
    let begin = Instant::now();
    let mut told: Option<Instant> = None;
    let mut progress = Progress::default();
    loop {
        progress.add_round(&disk, expectation.cores);
        if told.is_none_or(|told| told.elapsed() >= INTERVAL) {
            disk.tell(&progress.describe(begin.elapsed())?)?;
            told = Some(Instant::now());
            if disk.is_told("cpuid")? {
                system::cpuid(0, 0);
            }
        }
    }
}

/// How far the work is.
#[derive(Debug, Default)]
struct Progress {
    rounds: u64,
    errors: u64,
    /// The checksum of what was read last.
    checksum: u64,
}

impl Progress {
    fn add_round(&mut self, disk: &Disk, cores: usize) {
        let seed = storage::random_seed().wrapping_add(self.rounds);
        match disk.round(seed, ROUND_BYTES, cores) {
            Ok(round) if round.is_intact() => self.checksum = round.read,
            _ => self.errors = self.errors.saturating_add(1),
        }
        self.rounds = self.rounds.saturating_add(1);
    }

    /// One line of JSON. The time is the guest's own.
    fn describe(&self, elapsed: Duration) -> io::Result<String> {
        let Self {
            rounds,
            errors,
            checksum,
        } = self;
        let bytes = rounds.saturating_mul(ROUND_BYTES);
        let ticks = interrupts::read_timer()?;
        let interrupts = interrupts::read_nvme()?.iter().sum::<u64>();
        Ok(format!(
            "{{\"milliseconds\":{},\"rounds\":{rounds},\"errors\":{errors},\"bytes\":{bytes},\
             \"checksum\":\"{checksum:016x}\",\"ticks\":{ticks},\"interrupts\":{interrupts}}}\n",
            elapsed.as_millis()
        ))
    }
}
