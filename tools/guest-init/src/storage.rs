//! The NVMe namespace: that it is there, alone, and keeps what is written to it.

use std::collections::hash_map::RandomState;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::expectation::Expectation;
use crate::finding::Finding;
use crate::interrupts;
use crate::system;

/// How long the driver may take to find the namespace.
const PROBE_LIMIT: Duration = Duration::from_secs(20);
/// How long to wait before looking again.
const PROBE_PAUSE: Duration = Duration::from_millis(20);
/// The size of a sector in the kernel's block layer.
const SECTOR_BYTES: u64 = 512;
/// How much is written and read back.
const TEST_BYTES: u64 = 64 << 20;
/// One transfer.
const BLOCK_BYTES: usize = 64 << 10;
/// A small read, as the exits are measured with.
const PAGE_BYTES: usize = 4096;

/// Memory that direct I/O takes.
#[derive(Clone)]
#[repr(align(4096))]
struct Block([u8; BLOCK_BYTES]);

impl Block {
    fn boxed() -> Box<Self> {
        Box::new(Self([0; BLOCK_BYTES]))
    }
}

/// The partition's namespace, open for direct I/O.
#[derive(Debug)]
pub struct Disk {
    name: String,
    file: File,
    bytes: u64,
}

impl Disk {
    /// Opens the namespace and checks that it is the only one, of the promised size.
    pub fn open(expectation: &Expectation) -> io::Result<Option<Self>> {
        let found = wait_for_namespaces();
        let first = found.first().cloned();
        let bytes = match &first {
            Some(name) => size(name)?,
            None => 0,
        };
        let ok = found.len() == 1 && bytes == expectation.disk_bytes;
        Finding::new("namespace", ok)
            .texts("found", &found)
            .number("expected_bytes", expectation.disk_bytes)
            .number("found_bytes", bytes)
            .print();
        let Some(name) = first else {
            return Ok(None);
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(system::DIRECT)
            .open(Path::new("/dev").join(&name))?;
        Ok(Some(Self { name, file, bytes }))
    }

    /// Writes, reads back and compares; says on which cores the interrupts arrived.
    pub fn check(&self, cores: usize) -> io::Result<()> {
        let before = interrupts::read_nvme()?;
        let round = self.round(random_seed(), TEST_BYTES.min(self.bytes), cores)?;
        Finding::new("storage", round.is_intact() && round.bytes == TEST_BYTES)
            .text("disk", &self.name)
            .number("bytes", round.bytes)
            .text("written", &format!("{:016x}", round.written))
            .text("read", &format!("{:016x}", round.read))
            .print();
        let after = interrupts::read_nvme()?;
        let arrived = interrupts::difference(&before, &after);
        let ok = arrived.len() == cores && arrived.iter().any(|count| *count > 0);
        Finding::new("interrupts", ok)
            .numbers("arrived", &arrived)
            .print();
        Ok(())
    }

    /// Writes `bytes` of a pattern that `seed` determines and reads them back; the work moves
    /// from core to core, so that each one's queue is used.
    pub fn round(&self, seed: u64, bytes: u64, cores: usize) -> io::Result<Round> {
        let mut block = Block::boxed();
        let mut pattern = Pattern(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut round = Round::default();
        for (index, offset) in offsets(bytes).enumerate() {
            system::pin_to(index.checked_rem(cores).unwrap_or(0))?;
            pattern.fill(&mut block.0);
            round.written = checksum(round.written, &block.0);
            self.file.write_all_at(&block.0, offset)?;
        }
        for (index, offset) in offsets(bytes).enumerate() {
            system::pin_to(index.checked_rem(cores).unwrap_or(0))?;
            block.0.fill(0);
            self.file.read_exact_at(&mut block.0, offset)?;
            round.read = checksum(round.read, &block.0);
            round.bytes = round.bytes.saturating_add(widen(BLOCK_BYTES));
        }
        Ok(round)
    }

    /// Reads the last block over and over, until the machine ends or a read fails.
    pub fn read_end_for_ever(&self) {
        let mut block = Block::boxed();
        let offset = self.bytes.saturating_sub(widen(BLOCK_BYTES));
        while self.file.read_exact_at(&mut block.0, offset).is_ok() {}
    }

    /// Leaves `text` for whoever looks at the disk from outside, in its last block.
    pub fn tell(&self, text: &str) -> io::Result<()> {
        let mut block = Block::boxed();
        for (place, byte) in block.0.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        let offset = self.bytes.saturating_sub(widen(BLOCK_BYTES));
        self.file.write_all_at(&block.0, offset)
    }

    /// Whether somebody has written `word` from outside, at the beginning of the last block but
    /// one.
    pub fn is_told(&self, word: &str) -> io::Result<bool> {
        let mut block = Block::boxed();
        let offset = self
            .bytes
            .saturating_sub(widen(BLOCK_BYTES).saturating_mul(2));
        self.file.read_exact_at(&mut block.0, offset)?;
        Ok(block.0.starts_with(word.as_bytes()))
    }

    /// Reads `count` pages all over the namespace.
    pub fn read_pages(&self, count: u64) -> io::Result<()> {
        let mut block = Block::boxed();
        let (page, _) = block.0.split_at_mut(PAGE_BYTES);
        let pages = self.bytes >> 12;
        let mut pattern = Pattern(count | 1);
        for _ in 0..count {
            let number = pattern.next().checked_rem(pages).unwrap_or(0);
            self.file.read_exact_at(page, number << 12)?;
        }
        Ok(())
    }
}

/// One round of writing and reading back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// How much was written and read.
    pub bytes: u64,
    /// The checksum of what was written.
    pub written: u64,
    /// The checksum of what was read.
    pub read: u64,
}

impl Round {
    /// Whether what was read is what was written.
    pub fn is_intact(self) -> bool {
        self.bytes > 0 && self.written == self.read
    }
}

/// Marsaglia's xorshift64, for data that no two blocks share.
struct Pattern(u64);

impl Pattern {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_exact_mut(8) {
            word.copy_from_slice(&self.next().to_le_bytes());
        }
    }
}

/// Continues an FNV-1a checksum, word by word.
fn checksum(state: u64, bytes: &[u8]) -> u64 {
    let mut state = state ^ 0xCBF2_9CE4_8422_2325;
    for word in bytes.chunks_exact(8) {
        let mut value = [0; 8];
        value.copy_from_slice(word);
        state = (state ^ u64::from_le_bytes(value)).wrapping_mul(0x0100_0000_01B3);
    }
    state
}

/// A pattern of this run alone: what an earlier run left on the disk must not pass for ours.
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn offsets(bytes: u64) -> impl Iterator<Item = u64> {
    (0..bytes).step_by(BLOCK_BYTES)
}

/// The namespaces' disks, sorted, as soon as there is one.
fn wait_for_namespaces() -> Vec<String> {
    let end = Instant::now().checked_add(PROBE_LIMIT);
    loop {
        let found = list_namespaces();
        if !found.is_empty() || end.is_none_or(|end| Instant::now() >= end) {
            return found;
        }
        std::thread::sleep(PROBE_PAUSE);
    }
}

fn list_namespaces() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| is_namespace(name))
        .collect();
    names.sort();
    names
}

/// Whether `name` is `nvme0n1` or alike; `nvme0c0n1` is a path to one, not a disk.
fn is_namespace(name: &str) -> bool {
    let Some((controller, namespace)) = name
        .strip_prefix("nvme")
        .and_then(|numbers| numbers.split_once('n'))
    else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number(controller) && is_number(namespace)
}

fn size(name: &str) -> io::Result<u64> {
    let path = Path::new("/sys/block").join(name).join("size");
    let sectors: u64 = fs::read_to_string(path)?.trim().parse().unwrap_or(0);
    Ok(sectors.saturating_mul(SECTOR_BYTES))
}

fn widen(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disks_are_namespaces() {
        assert!(is_namespace("nvme0n1"));
        assert!(is_namespace("nvme10n12"));
        assert!(!is_namespace("nvme0c0n1"));
        assert!(!is_namespace("nvme0n1p1"));
        assert!(!is_namespace("sda"));
    }

    #[test]
    fn one_changed_bit_changes_the_checksum() {
        let mut bytes = vec![0_u8; 64];
        let before = checksum(0, &bytes);
        bytes[63] ^= 1;
        assert_ne!(before, checksum(0, &bytes));
    }

    #[test]
    fn the_order_of_blocks_matters() {
        let (one, two) = ([1_u8; 8], [2_u8; 8]);
        let forward = checksum(checksum(0, &one), &two);
        assert_ne!(forward, checksum(checksum(0, &two), &one));
    }

    #[test]
    fn a_round_of_nothing_is_not_intact() {
        assert!(!Round::default().is_intact());
    }
}
