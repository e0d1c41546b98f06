//! All that a run of bare guests said, and what a case asks of it.
//!
//! Key type: [`Transcript`]. It is taken until Bulkhead says the last word that the case
//! waits for, and keeps the order of the lines.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::record::PartitionSummary;
use harness::{Emulator, Event, Message, Record};

/// Longer than any run of bare guests takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An access that the IOMMU blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The partition that it was charged to.
    pub partition: Option<String>,
    /// The requester ID.
    pub requester: String,
    /// The fault reason's number.
    pub reason: u64,
    /// The address, in whole pages.
    pub address: u64,
}

/// What a run said, in order.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    record: Record,
    lines: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Transcript {
    /// Listens until every partition has stopped.
    pub fn to_the_end(emulator: &mut Emulator) -> Result<Self> {
        Self::default().and_to_the_end(emulator)
    }

    /// Listens on until every partition has stopped: a partition that stops is scrubbed, so a
    /// look at its memory from outside has to come before.
    pub fn and_to_the_end(self, emulator: &mut Emulator) -> Result<Self> {
        self.until(emulator, "the end of all partitions", |event| {
            *event == Event::Halted
        })
    }

    /// Listens until the partition `name` has stopped.
    pub fn until_stop(emulator: &mut Emulator, name: &str) -> Result<Self> {
        let what = format!("the end of {name}");
        Self::default().until(
            emulator,
            &what,
            |event| matches!(event, Event::Stopped { name: stopped, .. } if stopped == name),
        )
    }

    /// Listens until the guests of so many partitions have passed; they may go on.
    pub fn until_passed(emulator: &mut Emulator, count: usize) -> Result<Self> {
        let mut transcript = Self::default();
        emulator.wait_for("the guests' verdicts", LIMIT, |message| {
            transcript.take(message);
            let lines = transcript.lines.iter();
            let passed = lines.filter(|(_, line)| line.starts_with("PASS ")).count();
            (passed == count).then_some(())
        })?;
        Ok(transcript)
    }

    fn until(
        mut self,
        emulator: &mut Emulator,
        what: &str,
        is_last: impl Fn(&Event) -> bool,
    ) -> Result<Self> {
        emulator.wait_for(what, LIMIT, |message| {
            self.take(message);
            matches!(message, Message::Event(event) if is_last(event)).then_some(())
        })?;
        Ok(self)
    }

    fn take(&mut self, message: &Message) {
        self.record.take(message);
        match message {
            Message::Console { partition, text } => {
                self.lines.push((partition.clone(), text.clone()));
            }
            Message::Event(Event::Fault {
                partition,
                requester,
                reason,
                address,
            }) => self.faults.push(Fault {
                partition: partition.clone(),
                requester: requester.clone(),
                reason: reason.as_u64().unwrap_or(u64::MAX),
                address: address.as_u64().unwrap_or(u64::MAX),
            }),
            _ => {}
        }
    }

    /// Every access that the IOMMU blocked.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// What is known of the partition `name`.
    pub fn partition(&self, name: &str) -> Result<&PartitionSummary> {
        let partition = self.record.partition(name);
        partition.with_context(|| format!("nothing was said of {name}"))
    }

    /// The lines of `name`'s console.
    pub fn lines_of(&self, name: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|(who, _)| who == name);
        lines.map(|(_, line)| line.as_str()).collect()
    }

    /// The lines of `name`'s console that contain `text`.
    pub fn count_lines(&self, name: &str, text: &str) -> usize {
        let lines = self.lines.iter();
        lines
            .filter(|(who, line)| who == name && line.contains(text))
            .count()
    }

    /// Where `name` says `text`; if it does not, its last line is quoted.
    fn find(&self, name: &str, text: &str) -> Result<usize> {
        let mut lines = self.lines.iter();
        let found = lines.position(|(who, line)| who == name && line == text);
        found.with_context(|| {
            let mut lines = self.lines.iter().rev();
            let last = lines.find(|(who, _)| who == name);
            let last = last.map_or("nothing", |(_, line)| line);
            format!("{name} did not say `{text}`; its last line: {last}")
        })
    }

    /// The guest in partition `name` has passed.
    pub fn ensure_passed(&self, name: &str, guest: &str) -> Result<()> {
        self.find(name, &format!("PASS {guest}")).map(drop)
    }

    /// The attacker in `alpha` passed while `beta`'s bystander listened, from before the
    /// attack's beginning until after its end, and the bystander noticed nothing.
    pub fn ensure_undisturbed(&self, attacker: &str) -> Result<()> {
        let order = [
            self.find("beta", "listening")?,
            self.find("alpha", "begins")?,
            self.find("alpha", &format!("PASS {attacker}"))?,
            self.find("beta", "PASS bystander")?,
        ];
        ensure!(
            order.is_sorted(),
            "the bystander did not listen for all of the attack: {order:?}"
        );
        self.ensure_stop("beta", "poweroff")?;
        self.ensure_denied("beta", 0)
    }

    /// The partition stopped for this cause.
    pub fn ensure_stop(&self, name: &str, cause: &str) -> Result<()> {
        let found = self.partition(name)?.cause.as_deref();
        ensure!(
            found == Some(cause),
            "{name} stopped by {found:?}, not by {cause}"
        );
        Ok(())
    }

    /// The partition was denied exactly so many accesses.
    pub fn ensure_denied(&self, name: &str, count: u64) -> Result<()> {
        let found = self.partition(name)?.denied;
        ensure!(
            found == count,
            "{name} was denied {found} times, not {count}"
        );
        Ok(())
    }

    /// The partition was denied at least so many accesses.
    pub fn ensure_denied_at_least(&self, name: &str, count: u64) -> Result<()> {
        let found = self.partition(name)?.denied;
        ensure!(
            found >= count,
            "{name} was denied {found} times, fewer than {count}"
        );
        Ok(())
    }

    /// How often the partition exited for `reason`.
    pub fn exits(&self, name: &str, reason: &str) -> Result<u64> {
        let exits = &self.partition(name)?.exits;
        Ok(exits
            .get(reason)
            .and_then(|count| count.as_u64())
            .unwrap_or(0))
    }

    /// The partition exited for no other reasons than these.
    pub fn ensure_exits_only_for(&self, name: &str, reasons: &[&str]) -> Result<()> {
        let exits = &self.partition(name)?.exits;
        if exits.is_empty() {
            bail!("no exits of {name} were counted at all");
        }
        for (reason, count) in exits {
            ensure!(
                reasons.contains(&reason.as_str()),
                "{name} exited {count} times for {reason}"
            );
        }
        Ok(())
    }
}
