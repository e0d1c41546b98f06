//! The guest's exits, counted by Bulkhead and read from inside.
//!
//! Bulkhead answers the CPUID leaf 0x4000_0100 with its signature, 0x4000_0101 with one
//! counter for each reason, which begins with the guest, and 0x4000_0103 with the number of
//! the partition's starts. Reading is itself made of CPUID exits: two readings back to back
//! show how many, and that number is taken off. Between two readings nothing may run that
//! executes CPUID, so the threads are started before the first and end after the second.
//!
//! Of the boot, exits for CPUID are counted but not judged: on VMX each CPUID exits, and Linux
//! asks it some hundred times for other hypervisors alone. Neither are, on several cores, those
//! for inter-processor interrupts: how many there are is the kernel's way to work.

use std::io;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use vdev::ExitReason;

use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::storage::Disk;
use crate::system::{self, CpuidAnswer};
use crate::work::{self, Exchange};

/// The leaf with Bulkhead's signature.
const SIGNATURE_LEAF: u32 = 0x4000_0100;
/// The leaf with the counters; the subleaf is the reason's index.
const COUNTER_LEAF: u32 = 0x4000_0101;
/// The leaf with the number of the partition's starts.
const STARTS_LEAF: u32 = 0x4000_0103;
/// One reading of all counters.
pub type Counters = [u64; ExitReason::COUNT];

/// Measures each kind of work; prints a finding for each, and one for the boot, whose
/// exits are those of `boot`.
pub fn check(expectation: &Expectation, boot: &Counters, disk: Option<&Disk>) -> io::Result<()> {
    if !is_bulkhead() {
        Finding::new("exits", false)
            .text("why", "no Bulkhead below: its CPUID leaf is absent")
            .print();
        return Ok(());
    }
    check_boot(expectation, boot);
    measure_all(expectation, disk, |name, exits| {
        Finding::new(name, is_exitless(expectation.cores, exits))
            .number("total", total(exits))
            .raw("exits", &to_json(exits))
            .print();
    })
}

/// Counts the exits of each kind of work, one after the other, and tells `report` their name
/// and them. One measurement, without a report, comes before: the first use of a page, a lock
/// or a clock is not what is measured.
pub fn measure_all(
    expectation: &Expectation,
    disk: Option<&Disk>,
    report: impl Fn(&str, &Counters),
) -> io::Result<()> {
    let (cores, duration) = (expectation.cores, expectation.duration);
    measure(cores, |_| work::compute(Duration::from_millis(50)))?;
    report("exits_idle", &measure(cores, |_| work::rest(duration))?);
    report("exits_loop", &measure(cores, |_| work::compute(duration))?);
    if let Some(disk) = disk {
        disk.read_pages(100)?;
        let cores_for_share = u64::try_from(cores.max(1)).unwrap_or(1);
        let share = expectation.reads.div_ceil(cores_for_share);
        report("exits_reads", &measure(cores, |_| disk.read_pages(share))?);
    }
    if cores > 1 {
        let exchange = Exchange::new()?;
        let exits = measure(cores, |core| exchange.take_part(core, expectation.wakes))?;
        report("exits_wakes", &exits);
    }
    Ok(())
}

/// Prints a finding for the exits of the boot, which are `boot`.
pub fn check_boot(expectation: &Expectation, boot: &Counters) {
    let judged = judged(expectation.cores, boot);
    Finding::new("exits_boot", judged <= expectation.boot_exits)
        .number("total", total(boot))
        .number("judged", judged)
        .number("most", expectation.boot_exits)
        .raw("exits", &to_json(boot))
        .print();
}

/// Whether Bulkhead is below.
pub fn is_bulkhead() -> bool {
    let CpuidAnswer { ebx, ecx, .. } = system::cpuid(SIGNATURE_LEAF, 0);
    ebx == u32::from_le_bytes(*b"Bulk") && ecx == u32::from_le_bytes(*b"head")
}

/// Which guest of its partition this is, counted from 1.
pub fn life() -> u64 {
    wide(system::cpuid(STARTS_LEAF, 0))
}

fn wide(answer: CpuidAnswer) -> u64 {
    u64::from(answer.edx) << 32 | u64::from(answer.eax)
}

/// Counts the exits while every core does `work`.
fn measure(cores: usize, work: impl Fn(usize) -> io::Result<()> + Sync) -> io::Result<Counters> {
    let gate = Barrier::new(cores);
    let (gate, work) = (&gate, &work);
    thread::scope(|scope| {
        let others: Vec<_> = (1..cores)
            .map(|core| {
                scope.spawn(move || {
                    let pinned = system::pin_to(core);
                    gate.wait();
                    gate.wait();
                    let outcome = pinned.and_then(|()| work(core));
                    gate.wait();
                    gate.wait();
                    outcome
                })
            })
            .collect();
        let pinned = system::pin_to(0);
        gate.wait();
        let window = Window::open();
        gate.wait();
        let outcome = pinned.and_then(|()| work(0));
        gate.wait();
        let counted = window.close();
        gate.wait();
        outcome?;
        for other in others {
            other
                .join()
                .map_err(|_| io::Error::other("a worker panicked"))??;
        }
        Ok(counted)
    })
}

/// A time in which exits are counted.
pub struct Window {
    /// What the counters are at its beginning.
    start: Counters,
    /// What reading them costs.
    reading: Counters,
}

impl Window {
    /// Begins.
    pub fn open() -> Self {
        let first = read();
        let start = read();
        let reading = subtract(&start, &first);
        Self { start, reading }
    }

    /// Ends: the exits since it began.
    pub fn close(self) -> Counters {
        subtract(&subtract(&read(), &self.start), &self.reading)
    }
}

/// Reads all counters; they are zero where Bulkhead is not below.
pub fn read() -> Counters {
    let mut counters = [0; ExitReason::COUNT];
    for (counter, index) in counters.iter_mut().zip(0_u32..) {
        let answer = system::cpuid(COUNTER_LEAF, index);
        if answer.ecx != 1 {
            break;
        }
        *counter = wide(answer);
    }
    counters
}

fn subtract(minuend: &Counters, subtrahend: &Counters) -> Counters {
    let mut difference = *minuend;
    for (value, taken) in difference.iter_mut().zip(subtrahend) {
        *value = value.saturating_sub(*taken);
    }
    difference
}

/// One core makes no exit at all; several make those of inter-processor interrupts alone.
fn is_exitless(cores: usize, counters: &Counters) -> bool {
    named(counters).all(|(reason, count)| {
        // An inter-processor interrupt is the one thing that a busy partition exits for.
        count == 0 || (cores > 1 && reason == ExitReason::IcrWrite)
    })
}

/// The exits of a boot, or a driver's set-up, that count: those for other reasons than CPUID and, on several cores,
/// inter-processor interrupts.
pub fn judged(cores: usize, counters: &Counters) -> u64 {
    let counts = |reason: ExitReason| match reason {
        ExitReason::Cpuid => false,
        ExitReason::IcrWrite => cores == 1,
        _ => true,
    };
    named(counters)
        .filter(|(reason, _)| counts(*reason))
        .fold(0, |sum, (_, count)| sum.saturating_add(count))
}

/// All exits together.
pub fn total(counters: &Counters) -> u64 {
    counters
        .iter()
        .fold(0, |sum, count| sum.saturating_add(*count))
}

fn named(counters: &Counters) -> impl Iterator<Item = (ExitReason, u64)> {
    ExitReason::ALL.into_iter().zip(counters.iter().copied())
}

/// Those that are not zero, as a JSON object.
pub fn to_json(counters: &Counters) -> String {
    let entries: Vec<_> = named(counters)
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("\"{}\":{count}", reason.name()))
        .collect();
    format!("{{{}}}", entries.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(index: usize, count: u64) -> Counters {
        let mut counters = [0; ExitReason::COUNT];
        counters[index] = count;
        counters
    }

    #[test]
    fn one_core_may_make_no_exit() {
        assert!(is_exitless(1, &[0; ExitReason::COUNT]));
        for index in 0..ExitReason::COUNT {
            assert!(!is_exitless(1, &counters(index, 1)));
        }
    }

    #[test]
    fn several_cores_may_send_interrupts_to_one_another_and_nothing_else() {
        for reason in ExitReason::ALL {
            let expected = reason == ExitReason::IcrWrite;
            assert_eq!(is_exitless(2, &counters(reason.index(), 7)), expected);
        }
    }

    #[test]
    fn a_boot_is_judged_by_all_but_cpuid_and_interrupts_between_cores() {
        for reason in ExitReason::ALL {
            let one = judged(1, &counters(reason.index(), 7));
            assert_eq!(one, if reason == ExitReason::Cpuid { 0 } else { 7 });
            let two = judged(2, &counters(reason.index(), 7));
            let free = [ExitReason::Cpuid, ExitReason::IcrWrite].contains(&reason);
            assert_eq!(two, if free { 0 } else { 7 });
        }
    }

    #[test]
    fn only_reasons_that_occurred_are_listed() {
        assert_eq!(to_json(&counters(3, 12)), r#"{"cpuid":12}"#);
        assert_eq!(to_json(&[0; ExitReason::COUNT]), "{}");
    }

    #[test]
    fn the_cost_of_reading_is_taken_off() {
        let work = subtract(&counters(3, 58), &counters(3, 38));
        assert_eq!(subtract(&work, &counters(3, 18)), counters(3, 2));
    }
}
