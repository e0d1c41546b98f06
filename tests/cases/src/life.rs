//! A guest's life as the guest tells it: which one of its partition it is, how much of its
//! memory it has searched for what the one before has left, and what it leaves itself.
//!
//! The bare guest `relic` and the mode `lives` of Linux' program say the same words.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Check, Emulator, Event, Message};

/// What guests fill memory with.
pub const WORD: u64 = 0x0bad_5eed_c0de_f00d;

/// The word as guests are told it: by halves, so that it is in nobody's memory who has not
/// filled that.
pub fn pattern() -> String {
    format!("pattern={:#x},{:#x}", WORD >> 32, WORD & 0xffff_ffff)
}

/// What a guest reports when it has found nothing.
const BEGUN: &str = "life";
/// What it reports when it has left something and is about to end.
const LEFT: &str = "left";

/// The number that `check` gives for `key`.
pub fn number(check: &Check, key: &str) -> Result<u64> {
    let value = check.values.get(key).and_then(|value| value.as_u64());
    value.with_context(|| format!("`{}` has no {key}", check.name))
}

/// What is waited for, and for how long at most.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// The partition.
    pub partition: &'a str,
    /// How long each wait may take.
    pub limit: Duration,
}

impl Watched<'_> {
    /// Waits until the partition's guest says that it is its partition's `life`-th and works,
    /// having found nothing; what it tells of that. `see` is shown each message.
    pub fn begun(
        self,
        emulator: &mut Emulator,
        life: u64,
        see: impl FnMut(&Message),
    ) -> Result<Check> {
        let check = self.report(emulator, BEGUN, see)?;
        let found = number(&check, "life")?;
        ensure!(found == life, "life {found} instead of {life}");
        Ok(check)
    }

    /// Waits until it has left something; how many bytes of memory it has filled.
    pub fn left(self, emulator: &mut Emulator, see: impl FnMut(&Message)) -> Result<u64> {
        number(&self.report(emulator, LEFT, see)?, "filled_bytes")
    }

    /// Waits until Bulkhead says that the partition has stopped, by `cause`.
    pub fn stopped(
        self,
        emulator: &mut Emulator,
        cause: &str,
        mut see: impl FnMut(&Message),
    ) -> Result<()> {
        let Self { partition, limit } = self;
        let what = format!("end of {partition}");
        let found = emulator.wait_for(&what, limit, |message| {
            see(message);
            match message {
                Message::Event(Event::Stopped { name, cause, .. }) if name == partition => {
                    Some(cause.clone())
                }
                _ => None,
            }
        })?;
        ensure!(found == cause, "{partition} ended by {found}, not {cause}");
        Ok(())
    }

    /// Waits for the guest's report `name`, which must hold. One that says that it fails is
    /// not waited for.
    fn report(
        self,
        emulator: &mut Emulator,
        wanted: &str,
        mut see: impl FnMut(&Message),
    ) -> Result<Check> {
        let Self { partition, limit } = self;
        let what = format!("`{wanted}` of {partition}");
        let check = emulator.wait_for(&what, limit, |message| {
            see(message);
            match message {
                Message::Check {
                    partition: who,
                    check,
                } if who == partition && (check.name == wanted || !check.ok) => {
                    Some(Ok(check.clone()))
                }
                Message::Console {
                    partition: who,
                    text,
                } if who == partition && text.starts_with("FAIL") => Some(Err(text.clone())),
                _ => None,
            }
        })?;
        let check = check.map_err(anyhow::Error::msg)?;
        ensure!(check.ok, "{partition}: {} {:?}", check.name, check.values);
        Ok(check)
    }
}
