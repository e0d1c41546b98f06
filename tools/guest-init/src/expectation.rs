//! What the partition was promised, from the kernel's command line.
//!
//! | key | meaning | default |
//! |---|---|---|
//! | `bulkhead.mode` | what to do: see [`crate::modes`] | `check` |
//! | `bulkhead.cores` | how many cores | 1 |
//! | `bulkhead.memory` | how much memory, as `640M` | 0 |
//! | `bulkhead.functions` | how many PCI functions; without any there is no disk | 1 |
//! | `bulkhead.disk` | the namespace's size | `256M` |
//! | `bulkhead.boot_exits` | the most exits of the boot: see [`crate::exits`] | 1000 |
//! | `bulkhead.seconds` | how long each measurement of exits lasts | 10 |
//! | `bulkhead.delay` | seconds before a mode that ends the machine does so | 0 |
//! | `bulkhead.ends` | how one guest after another ends: see [`crate::lives`] | `stay` |
//! | `bulkhead.pattern` | the halves of the word that memory is filled with, `HIGH,LOW` | 0 |
//! | `bulkhead.thorough` | every how many guests one searches memory, works and fills memory | 1 |
//! | `bulkhead.reads` | how many reads are measured | 10000 |
//! | `bulkhead.wakes` | how often cores wake one another while that is measured | 10000 |

use std::time::Duration;

/// What the partition was promised, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// What to do.
    pub mode: String,
    /// How many cores.
    pub cores: usize,
    /// How much memory.
    pub memory_bytes: u64,
    /// How many PCI functions.
    pub functions: usize,
    /// The namespace's size.
    pub disk_bytes: u64,
    /// The most exits of the boot.
    pub boot_exits: u64,
    /// How long each measurement of exits lasts.
    pub duration: Duration,
    /// How many reads are measured.
    pub reads: u64,
    /// How often cores wake one another while that is measured.
    pub wakes: u64,
    /// How long a mode that ends the machine waits before it does so.
    pub delay: Duration,
    /// How one guest after another ends.
    pub ends: Vec<String>,
    /// The halves of the word that memory is filled with.
    pub pattern: [u32; 2],
    /// Every how many guests one does more than to begin and to end.
    pub thorough: u64,
}

impl Expectation {
    /// Reads the command line; keys that are not ours are the kernel's.
    pub fn parse(command_line: &str) -> Self {
        let value = |key: &str| {
            command_line
                .split_whitespace()
                .filter_map(|argument| argument.strip_prefix("bulkhead."))
                .filter_map(|argument| argument.split_once('='))
                .find_map(|(name, value)| (name == key).then_some(value))
        };
        let number = |key: &str, default: u64| value(key).and_then(parse_size).unwrap_or(default);
        let count = |key: &str| usize::try_from(number(key, 1)).unwrap_or(usize::MAX);
        Self {
            mode: value("mode").unwrap_or("check").to_owned(),
            cores: count("cores"),
            memory_bytes: number("memory", 0),
            functions: count("functions"),
            disk_bytes: number("disk", 256 << 20),
            boot_exits: number("boot_exits", 1000),
            duration: Duration::from_secs(number("seconds", 10)),
            reads: number("reads", 10_000),
            wakes: number("wakes", 10_000),
            delay: Duration::from_secs(number("delay", 0)),
            ends: value("ends")
                .unwrap_or("stay")
                .split(',')
                .map(str::to_owned)
                .collect(),
            pattern: value("pattern").and_then(parse_halves).unwrap_or_default(),
            thorough: number("thorough", 1),
        }
    }

    /// How the guest number `life`, counted from 1, ends.
    pub fn end_of(&self, life: u64) -> &str {
        let index = usize::try_from(life).unwrap_or(1).saturating_sub(1);
        let index = index.checked_rem(self.ends.len()).unwrap_or(0);
        self.ends.get(index).map_or("stay", String::as_str)
    }

    /// Whether the guest number `life` does more than to begin and to end: it, and the one
    /// after it, which looks for what it has left.
    pub fn is_thorough(&self, life: u64) -> bool {
        life.checked_rem(self.thorough).is_none_or(|rest| rest <= 1)
    }

    /// Whether the driver is loaded only when it is needed.
    pub fn is_loading_by_itself(&self) -> bool {
        self.mode == "lives"
    }

    /// Whether there is to be a disk: the only function that a partition of the example has.
    pub const fn has_disk(&self) -> bool {
        self.functions > 0
    }
}

/// Reads `0xHIGH,0xLOW`.
fn parse_halves(text: &str) -> Option<[u32; 2]> {
    let (high, low) = text.split_once(',')?;
    let parse = |half: &str| u32::from_str_radix(half.strip_prefix("0x")?, 16).ok();
    Some([parse(high)?, parse(low)?])
}

/// Reads `512`, `640M` or `1G`.
fn parse_size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' => (text.strip_suffix('K')?, 1 << 10),
        b'M' => (text.strip_suffix('M')?, 1 << 20),
        b'G' => (text.strip_suffix('G')?, 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_others_left_alone() {
        let line = "console=ttyS0 quiet bulkhead.cores=2 bulkhead.memory=768M bulkhead.mode=io \
                    bulkhead.boot_exits=300\n";
        let expectation = Expectation::parse(line);
        assert_eq!(expectation.boot_exits, 300);
        assert_eq!(expectation.cores, 2);
        assert_eq!(expectation.memory_bytes, 768 << 20);
        assert_eq!(expectation.mode, "io");
        assert_eq!(expectation.reads, 10_000);
    }

    #[test]
    fn guests_end_one_after_another_and_then_from_the_first_again() {
        let line = "bulkhead.ends=reboot,crash bulkhead.pattern=0x12,0xff bulkhead.thorough=8";
        let expectation = Expectation::parse(line);
        let ends = [1, 2, 3].map(|life| expectation.end_of(life).to_owned());
        assert_eq!(ends, ["reboot", "crash", "reboot"]);
        assert_eq!(expectation.pattern, [0x12, 0xff]);
        let thorough = (1..=17).filter(|life| expectation.is_thorough(*life));
        assert_eq!(thorough.collect::<Vec<_>>(), [1, 8, 9, 16, 17]);
        assert!(Expectation::parse("").is_thorough(5), "each one by default");
        assert_eq!(Expectation::parse("").end_of(5), "stay");
    }

    #[test]
    fn there_is_a_disk_unless_there_are_no_functions() {
        assert!(Expectation::parse("quiet").has_disk());
        assert!(!Expectation::parse("quiet bulkhead.functions=0").has_disk());
    }

    #[test]
    fn nonsense_leaves_the_default() {
        let expectation = Expectation::parse("bulkhead.cores=many bulkhead.disk=99999999999G");
        assert_eq!(expectation.cores, 1);
        assert_eq!(expectation.disk_bytes, 256 << 20);
    }
}
