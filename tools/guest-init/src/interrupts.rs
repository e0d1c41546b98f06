//! The NVMe function's interrupts, core by core, as the kernel counts them.

use std::fs;
use std::io;

/// How many NVMe interrupts each core has taken.
pub fn read_nvme() -> io::Result<Vec<u64>> {
    Ok(sum(&fs::read_to_string("/proc/interrupts")?, "nvme"))
}

/// How many interrupts of their local APICs' timers all cores together have taken.
pub fn read_timer() -> io::Result<u64> {
    let counts = sum(&fs::read_to_string("/proc/interrupts")?, "LOC:");
    Ok(counts
        .iter()
        .fold(0, |total, count| total.saturating_add(*count)))
}

/// What came in between, core by core.
pub fn difference(before: &[u64], after: &[u64]) -> Vec<u64> {
    after
        .iter()
        .zip(before)
        .map(|(after, before)| after.saturating_sub(*before))
        .collect()
}

/// Adds up the lines that contain `name`. The first line has one heading for each core.
fn sum(text: &str, name: &str) -> Vec<u64> {
    let cores = text
        .lines()
        .next()
        .map_or(0, |line| line.split_whitespace().count());
    let mut totals = vec![0_u64; cores];
    for line in text.lines().filter(|line| line.contains(name)) {
        let counts = line.split_whitespace().skip(1);
        for (total, count) in totals.iter_mut().zip(counts) {
            *total = total.saturating_add(count.parse().unwrap_or(0));
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_driver_are_added_up_for_each_core() {
        let text = "           CPU0       CPU1\n\
                    24:         12          0   PCI-MSI 16384-edge      nvme0q0\n\
                    25:          3         40   PCI-MSI 16385-edge      nvme0q1\n\
                    NMI:         9          9   Non-maskable interrupts\n";
        assert_eq!(sum(text, "nvme"), [15, 40]);
    }

    #[test]
    fn differences_are_by_core() {
        assert_eq!(difference(&[1, 5], &[4, 5]), [3, 0]);
    }
}
