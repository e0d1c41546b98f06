//! What the partition consists of: cores, memory, PCI functions, interrupt mode.

use std::fs;
use std::io;
use std::thread;

use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::system;

/// The kernel may use, for its image and its page descriptors, less than this share in
/// percent of the partition's memory.
const KERNEL_SHARE_PERCENT: u64 = 10;

/// What the kernel logs where the x2APIC is on; which one depends on who turned it on.
const X2APIC_WORDS: [&str; 2] = ["x2apic enabled", "x2apic: enabled by BIOS"];

/// Checks all of them.
pub fn check(expectation: &Expectation) -> io::Result<()> {
    check_cores(expectation)?;
    check_memory(expectation)?;
    check_functions(expectation)?;
    check_x2apic()
}

fn check_cores(expectation: &Expectation) -> io::Result<()> {
    let found = thread::available_parallelism()?.get();
    Finding::new("nproc", found == expectation.cores)
        .number("expected", widen(expectation.cores))
        .number("found", widen(found))
        .print();
    Ok(())
}

fn check_memory(expectation: &Expectation) -> io::Result<()> {
    let found = parse_total(&fs::read_to_string("/proc/meminfo")?).unwrap_or(0);
    let promised = expectation.memory_bytes;
    Finding::new("memory", is_enough(found, promised))
        .number("expected", promised)
        .number("found", found)
        .print();
    Ok(())
}

fn check_functions(expectation: &Expectation) -> io::Result<()> {
    let mut found = Vec::new();
    if let Ok(entries) = fs::read_dir("/sys/bus/pci/devices") {
        for entry in entries {
            found.push(entry?.file_name().to_string_lossy().into_owned());
        }
    }
    found.retain(|address| !is_synthetic(address));
    found.sort();
    Finding::new("functions", found.len() == expectation.functions)
        .number("expected", widen(expectation.functions))
        .texts("found", &found)
        .print();
    Ok(())
}

/// Whether the function at `address` is one that Bulkhead itself is: they are in the last
/// places of the bus.
fn is_synthetic(address: &str) -> bool {
    address.starts_with("0000:00:1e.") || address.starts_with("0000:00:1f.")
}

fn check_x2apic() -> io::Result<()> {
    let log = system::kernel_log()?.to_ascii_lowercase();
    let line = log.lines().find(|line| {
        X2APIC_WORDS
            .iter()
            .any(|words| line.contains(&words.to_ascii_lowercase()))
    });
    Finding::new("x2apic", line.is_some())
        .text("log", line.unwrap_or("no line says so"))
        .print();
    Ok(())
}

/// Whether `found` is within what was promised and more than the promised share of it.
fn is_enough(found: u64, promised: u64) -> bool {
    let least = promised.saturating_sub(promised.saturating_mul(KERNEL_SHARE_PERCENT) / 100);
    found <= promised && found > least
}

/// Reads `MemTotal:  123 kB`, in bytes.
fn parse_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_bytes() {
        let text = "MemTotal:         600000 kB\nMemFree: 1 kB\n";
        assert_eq!(parse_total(text), Some(600_000 * 1024));
        assert_eq!(parse_total("MemFree: 1 kB"), None);
    }

    #[test]
    fn memory_is_judged_from_both_sides() {
        assert!(is_enough(95, 100));
        assert!(is_enough(100, 100));
        assert!(!is_enough(101, 100));
        assert!(!is_enough(90, 100));
        assert!(!is_enough(0, 0));
    }
}
