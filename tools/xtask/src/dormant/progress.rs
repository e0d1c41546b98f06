//! What a guest tells of its work, on its disk, and what it can be asked there.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};
use harness::images::NAMESPACE_BYTES;
use serde_json::Value;

/// The guest's `BLOCK_BYTES`: the last block of the namespace is what it says, the last but one
/// what it is asked.
const BLOCK_BYTES: u64 = 64 << 10;
/// What is read of it: the guest says far less.
const TEXT_BYTES: usize = 512;

/// How far a guest's work is, since it began or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// By the guest's own clock.
    pub milliseconds: u64,
    /// How often it has written, read back and compared.
    pub rounds: u64,
    /// How often that was not the same.
    pub errors: u64,
    /// How much it has written and read back.
    pub bytes: u64,
    /// The interrupts of its local APICs' timers.
    pub ticks: u64,
    /// The interrupts of its NVMe function.
    pub interrupts: u64,
}

impl Progress {
    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text.lines().next()?).ok()?;
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        Some(Self {
            milliseconds: number("milliseconds")?,
            rounds: number("rounds")?,
            errors: number("errors")?,
            bytes: number("bytes")?,
            ticks: number("ticks")?,
            interrupts: number("interrupts")?,
        })
    }

    /// What has come since `earlier`.
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            milliseconds: self.milliseconds.saturating_sub(earlier.milliseconds),
            rounds: self.rounds.saturating_sub(earlier.rounds),
            errors: self.errors.saturating_sub(earlier.errors),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            ticks: self.ticks.saturating_sub(earlier.ticks),
            interrupts: self.interrupts.saturating_sub(earlier.interrupts),
        }
    }

    /// Whether there was something of everything.
    pub const fn is_lively(self) -> bool {
        self.rounds > 0 && self.ticks > 0 && self.interrupts > 0
    }
}

/// The image of a guest's namespace.
pub struct Window(File);

impl Window {
    /// Opens the image, and clears what an earlier guest has said and was asked.
    pub fn open(image: &Path) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(image);
        let window = Self(file.with_context(|| format!("opening {}", image.display()))?);
        for blocks in [1, 2] {
            window.write(blocks, &[0; TEXT_BYTES])?;
        }
        Ok(window)
    }

    /// What the guest has said last, if it has said anything yet. A line that is just being
    /// written is none.
    pub fn progress(&self) -> Result<Option<Progress>> {
        let mut bytes = [0; TEXT_BYTES];
        self.0.read_exact_at(&mut bytes, place(1))?;
        Ok(Progress::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Asks the guest for something.
    pub fn ask(&self, what: &str) -> Result<()> {
        self.write(2, what.as_bytes())
    }

    fn write(&self, blocks: u64, bytes: &[u8]) -> Result<()> {
        self.0
            .write_all_at(bytes, place(blocks))
            .context("writing to an image")
    }
}

/// Where the last block but so many begins.
const fn place(blocks: u64) -> u64 {
    NAMESPACE_BYTES.saturating_sub(BLOCK_BYTES.saturating_mul(blocks))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        r#"{"milliseconds":2000,"rounds":7,"errors":0,"bytes":9,"ticks":500,"interrupts":3}"#;

    #[test]
    fn a_guest_is_heard_up_to_its_lines_end() {
        let said = Progress::parse(&format!("{LINE}\n\0\0")).unwrap();
        assert_eq!((said.milliseconds, said.rounds, said.ticks), (2000, 7, 500));
        assert!(said.is_lively());
        assert!(!said.since(said).is_lively());
        assert_eq!(Progress::parse("\0\0\0"), None);
        assert_eq!(Progress::parse(&LINE[..40]), None);
    }

    #[test]
    fn an_image_is_asked_and_answers() {
        let folder = tempfile::tempdir().unwrap();
        harness::images::create(folder.path()).unwrap();
        let image = folder.path().join("nvme1.img");
        let window = Window::open(&image).unwrap();
        assert_eq!(window.progress().unwrap(), None);
        window.write(1, format!("{LINE}\n").as_bytes()).unwrap();
        assert_eq!(window.progress().unwrap().unwrap().rounds, 7);
        window.ask("cpuid").unwrap();
        assert_eq!(Window::open(&image).unwrap().progress().unwrap(), None);
    }
}
