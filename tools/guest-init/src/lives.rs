//! The mode `lives`: one guest of a partition after another searches the memory for what the
//! one before has left, works with its disk, leaves something itself, and ends.
//!
//! `bulkhead.ends` are the ends of one guest after another, and begin anew behind the last:
//!
//! | end | does |
//! |---|---|
//! | `reboot`, `poweroff` | what the commands of these names do |
//! | `triple` | a restart by triple fault |
//! | `crash` | crashes the kernel, which then restarts |
//! | `hang` | crashes the kernel, which then hangs: what a stock kernel does by default |
//! | `load` | reads from the disk without end, many pieces at a time |
//! | `stay` | nothing |

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use crate::exits::{self, Counters};
use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::memory::{self, Search};
use crate::modules;
use crate::storage::{self, Disk, Round};
use crate::system;

/// How much is written to the disk and read back.
const ROUND_BYTES: u64 = 4 << 20;
/// How many reads the end `load` has under way.
const READERS: usize = 32;
/// The stack of each of them.
const READER_STACK_BYTES: usize = 256 << 10;

/// What a guest has found at its beginning.
#[derive(Debug, Default)]
struct Found {
    search: Search,
    disk: Option<(Disk, Round)>,
}

impl Found {
    /// Searches the memory and works with the disk.
    fn look(expectation: &Expectation) -> io::Result<Self> {
        let search = memory::search(expectation.pattern)?;
        if !expectation.has_disk() {
            let disk = None;
            return Ok(Self { search, disk });
        }
        modules::load("nvme")?;
        let disk = Disk::open(expectation)?.ok_or(io::ErrorKind::NotFound)?;
        let round = disk.round(storage::random_seed(), ROUND_BYTES, expectation.cores)?;
        Ok(Self {
            search,
            disk: Some((disk, round)),
        })
    }

    fn report(&self, life: u64) {
        let round = self.disk.as_ref().map(|(_, round)| *round);
        let ok = self.search.found == 0 && round.is_none_or(Round::is_intact);
        Finding::new("life", ok)
            .number("life", life)
            .number("searched_bytes", self.search.bytes)
            .number("found", self.search.found)
            .number("stored_bytes", round.unwrap_or_default().bytes)
            .print();
    }
}

/// One life; returns if it is to end by powering off. `boot` are the exits up to its program's
/// start.
pub fn live(expectation: &Expectation, boot: &Counters) -> io::Result<()> {
    let life = exits::life();
    let end = expectation.end_of(life);
    let is_thorough = expectation.is_thorough(life);
    exits::check_boot(expectation, boot);
    let mut found = Found::default();
    if is_thorough {
        found = Found::look(expectation)?;
    }
    found.report(life);
    let mut filled = 0;
    if is_thorough && end != "load" {
        filled = memory::fill(expectation.pattern)?;
    }
    let left = Finding::new("left", true).number("filled_bytes", filled);
    if let ("load", Some((disk, _))) = (end, &found.disk) {
        read_for_ever(disk, &left)?;
    }
    left.print();
    end_by(end)
}

/// Has many reads under way; returns if they fail.
fn read_for_ever(disk: &Disk, left: &Finding) -> io::Result<()> {
    thread::scope(|scope| {
        for _ in 0..READERS {
            // All memory is locked: so much is taken at once.
            let reader = thread::Builder::new().stack_size(READER_STACK_BYTES);
            reader.spawn_scoped(scope, || disk.read_end_for_ever())?;
        }
        left.print();
        Ok(())
    })
}

fn end_by(end: &str) -> io::Result<()> {
    match end {
        "reboot" => system::restart(),
        "triple" => {
            fs::write("/sys/kernel/reboot/type", "triple")?;
            system::restart();
        }
        // A negative number of seconds: at once. None: never.
        "crash" => crash("-1")?,
        "hang" => crash("0")?,
        "stay" => loop {
            thread::sleep(Duration::MAX);
        },
        _ => {}
    }
    Ok(())
}

fn crash(seconds_to_restart: &str) -> io::Result<()> {
    fs::write("/proc/sys/kernel/panic", seconds_to_restart)?;
    system::crash()
}
