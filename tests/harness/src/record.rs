//! All that a run has said, and the verdict on it.
//!
//! Key types: [`Record`] takes messages as they come; [`Summary`] is the verdict and the one
//! line of JSON that ends `cargo xtask run --check`. What a run does not say counts against
//! it: a partition is good only if it started, finished its checks, held all of them and then
//! powered off.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::message::{Check, DONE, Event, Message, Tables};

/// The cause of a stop that a run is meant to end with.
const EXPECTED_CAUSE: &str = "poweroff";

/// What one partition has said, and what was said of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PartitionSummary {
    /// Its name.
    pub name: String,
    /// Its cores' APIC IDs.
    pub cores: Vec<u32>,
    /// Its memory.
    pub memory_bytes: u64,
    /// Its PCI functions.
    pub devices: Vec<String>,
    /// The CPU's second-stage table.
    pub cpu_tables: Tables,
    /// The IOMMU's.
    pub iommu_tables: Tables,
    /// Its findings by name.
    pub checks: Map<String, Value>,
    /// Its exits by reason, from its start to its stop.
    pub exits: Map<String, Value>,
    /// How many accesses were denied.
    pub denied: u64,
    /// Why it stopped.
    pub cause: Option<String>,
    /// Why it was not started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Why it can run no guest any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    #[serde(skip)]
    started: bool,
    #[serde(skip)]
    done: bool,
}

/// A run's verdict.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The platform, set by whoever chose it.
    pub machine: Option<&'static str>,
    /// Every partition of the plan.
    pub partitions: Vec<PartitionSummary>,
    /// The memory that Bulkhead keeps for itself.
    pub resident_bytes: Option<u64>,
    /// Instructions from the kernel's entry to the first of a guest, counted in another run,
    /// where they can be counted.
    pub boot_instructions: Option<u64>,
    /// Accesses that the IOMMU blocked.
    pub faults: usize,
    /// What does not hold, for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Whether everything holds.
    pub ok: bool,
}

/// What a run has said so far.
#[derive(Debug, Clone, Default)]
pub struct Record {
    partitions: Vec<PartitionSummary>,
    resident_bytes: Option<u64>,
    faults: usize,
    halted: bool,
}

impl Record {
    /// A record that expects every partition of `names`.
    pub fn expecting(names: &[String]) -> Self {
        let partition = |name: &String| PartitionSummary {
            name: name.clone(),
            ..PartitionSummary::default()
        };
        Self {
            partitions: names.iter().map(partition).collect(),
            ..Self::default()
        }
    }

    /// Takes one message.
    pub fn take(&mut self, message: &Message) {
        match message {
            Message::Event(event) => self.take_event(event),
            Message::Check { partition, check } => self.take_check(partition, check),
            Message::Text(_) | Message::Console { .. } | Message::Other(_) => {}
        }
    }

    /// Whether nothing more is to come: Bulkhead says so, or every partition has ended.
    pub fn is_complete(&self) -> bool {
        self.halted || self.partitions.iter().all(PartitionSummary::has_ended)
    }

    /// The partition called `name`.
    pub fn partition(&self, name: &str) -> Option<&PartitionSummary> {
        self.partitions.iter().find(|p| p.name == name)
    }

    /// The verdict. `ending` says why the run ended early, if it did.
    pub fn summary(&self, ending: Option<String>) -> Summary {
        let mut problems: Vec<String> = ending.into_iter().collect();
        if self.partitions.is_empty() {
            problems.push("the plan has no partition".to_owned());
        }
        for partition in &self.partitions {
            partition.list_problems(&mut problems);
        }
        Summary {
            machine: None,
            partitions: self.partitions.clone(),
            resident_bytes: self.resident_bytes,
            boot_instructions: None,
            faults: self.faults,
            ok: problems.is_empty(),
            problems,
        }
    }

    fn take_event(&mut self, event: &Event) {
        match event {
            Event::Partition {
                name,
                cores,
                memory_bytes,
                functions,
                cpu_tables,
                iommu_tables,
            } => {
                let partition = self.named(name);
                partition.started = true;
                partition.cores.clone_from(cores);
                partition.memory_bytes = *memory_bytes;
                partition.devices.clone_from(functions);
                partition.cpu_tables = *cpu_tables;
                partition.iommu_tables = *iommu_tables;
            }
            Event::Refused { name, why } => self.named(name).refused = Some(why.clone()),
            Event::Stopped {
                name,
                cause,
                exits,
                denied,
            } => {
                let partition = self.named(name);
                partition.cause = Some(cause.clone());
                partition.exits.clone_from(exits);
                partition.denied = *denied;
            }
            Event::Started { name } => self.named(name).cause = None,
            Event::Failed { name, why } => self.named(name).failed = Some(why.clone()),
            Event::Resident { bytes } => self.resident_bytes = Some(*bytes),
            Event::Fault { .. } => self.faults = self.faults.saturating_add(1),
            Event::Halted => self.halted = true,
            Event::Sealed { .. } | Event::Unknown => {}
        }
    }

    fn take_check(&mut self, name: &str, check: &Check) {
        let partition = self.named(name);
        if check.name == DONE {
            partition.done = true;
            return;
        }
        let mut values = Map::new();
        values.insert("ok".to_owned(), Value::from(check.ok));
        values.extend(check.values.clone());
        partition
            .checks
            .insert(check.name.clone(), Value::Object(values));
    }

    /// The partition called `name`; one that the plan does not have is added, and then fails
    /// for want of a start.
    fn named(&mut self, name: &str) -> &mut PartitionSummary {
        let index = match self.partitions.iter().position(|p| p.name == name) {
            Some(index) => index,
            None => {
                self.partitions.push(PartitionSummary {
                    name: name.to_owned(),
                    ..PartitionSummary::default()
                });
                self.partitions.len().saturating_sub(1)
            }
        };
        #[expect(
            clippy::indexing_slicing,
            reason = "the index was found, or made, a line above"
        )]
        &mut self.partitions[index]
    }
}

impl PartitionSummary {
    fn has_ended(&self) -> bool {
        self.cause.is_some() || self.refused.is_some()
    }

    fn list_problems(&self, problems: &mut Vec<String>) {
        let mut add = |text: String| problems.push(format!("{}: {text}", self.name));
        if let Some(why) = &self.refused {
            add(format!("was refused: {why}"));
            return;
        }
        if !self.started {
            add("was never started".to_owned());
        }
        if let Some(why) = &self.failed {
            add(format!("failed: {why}"));
        }
        for (name, values) in &self.checks {
            if values.get("ok") != Some(&Value::Bool(true)) {
                add(format!("check `{name}` does not hold: {values}"));
            }
        }
        if !self.done {
            add("did not finish its checks".to_owned());
        }
        if self.done && self.checks.is_empty() {
            add("checked nothing".to_owned());
        }
        match self.cause.as_deref() {
            Some(EXPECTED_CAUSE) => {}
            Some(cause) => add(format!("stopped by {cause}, not by {EXPECTED_CAUSE}")),
            None => add("did not stop".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 5] = [
        r#"[bulkhead] json {"event":"partition","name":"alpha","cores":[1],"memory_bytes":4096,"functions":["02:00.1"]}"#,
        r#"[alpha] check: {"name":"nproc","ok":true,"found":1}"#,
        r#"[alpha] check: {"name":"done","ok":true}"#,
        r#"[bulkhead] json {"event":"stopped","name":"alpha","cause":"poweroff","exits":{"cpuid":2},"denied":0}"#,
        r#"[bulkhead] json {"event":"halted"}"#,
    ];

    fn record(lines: &[&str]) -> Record {
        let mut record = Record::expecting(&["alpha".to_owned()]);
        for line in lines {
            record.take(&Message::parse(line));
        }
        record
    }

    #[test]
    fn a_good_run_is_complete_and_ok() {
        let record = record(&GOOD);
        assert!(record.is_complete());
        let summary = record.summary(None);
        assert!(summary.ok, "{:?}", summary.problems);
    }

    #[test]
    fn each_missing_line_is_a_problem() {
        for missing in 0..4 {
            let mut lines = GOOD.to_vec();
            lines.remove(missing);
            assert!(!record(&lines).summary(None).ok, "without {missing}");
        }
    }

    #[test]
    fn a_failed_check_is_a_problem() {
        let mut lines = GOOD.to_vec();
        lines.insert(2, r#"[alpha] check: {"name":"memory","ok":false}"#);
        let summary = record(&lines).summary(None);
        assert_eq!(summary.problems.len(), 1);
    }

    #[test]
    fn another_cause_than_poweroff_is_a_problem() {
        let stop = r#"[bulkhead] json {"event":"stopped","name":"alpha","cause":"shutdown"}"#;
        let summary = record(&[GOOD[0], GOOD[1], GOOD[2], stop]).summary(None);
        assert!(!summary.ok);
    }

    #[test]
    fn a_refused_partition_ends_the_run_and_fails_it() {
        let refused = r#"[bulkhead] json {"event":"refused","name":"alpha","why":"unknown-core"}"#;
        let record = record(&[refused]);
        assert!(record.is_complete());
        assert!(!record.summary(None).ok);
    }

    #[test]
    fn a_partition_that_starts_again_has_not_ended() {
        let again = r#"[bulkhead] json {"event":"started","name":"alpha"}"#;
        let record = record(&[GOOD[0], GOOD[1], GOOD[2], GOOD[3], again]);
        assert!(!record.is_complete());
        assert!(!record.summary(None).ok);
    }

    #[test]
    fn a_partition_that_failed_is_a_problem() {
        let failed = r#"[bulkhead] json {"event":"failed","name":"alpha","why":"lost"}"#;
        let mut lines = GOOD.to_vec();
        lines.insert(4, failed);
        assert_eq!(record(&lines).summary(None).problems.len(), 1);
    }

    #[test]
    fn an_early_end_is_a_problem_even_if_all_else_holds() {
        let summary = record(&GOOD).summary(Some("time is up".to_owned()));
        assert!(!summary.ok);
    }

    #[test]
    fn no_partition_at_all_is_not_ok() {
        assert!(!Record::expecting(&[]).summary(None).ok);
    }
}
