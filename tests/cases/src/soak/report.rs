//! Judges what was counted, and tells it as a table and as JSON.

use std::fmt;

use serde_json::{Value, json};

use super::{Count, Outcome};

impl Outcome {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Holds every count against what it has to be.
    pub(super) fn judge(&mut self) {
        let mut wrong = Vec::new();
        let mut ensure_none = |what: &str, count: u64| {
            if count != 0 {
                wrong.push(format!("{what}: {count}"));
            }
        };
        let missing = self.order.restarts.saturating_sub(self.done());
        ensure_none("restarts that were not done", missing.into());
        ensure_none("alpha's errors", self.steady.errors);
        ensure_none("alpha's exits in its rounds", self.steady.exits);
        let foreign = self.steady.foreign_interrupts;
        ensure_none("interrupts of others at alpha", foreign);
        if let Some([before, after]) = &self.counts {
            for (what, count) in differences(before, after) {
                ensure_none(what, count);
            }
        }
        self.wrong.append(&mut wrong);
    }

    /// All of it, for programs.
    pub fn json(&self) -> Value {
        json!({
            "kind": self.order.kind.name(),
            "machine": self.machine,
            "asked": self.order.restarts,
            "restarts": self.done(),
            "by_end": self.restarts,
            "seconds": self.seconds,
            "searched_bytes": self.searched_bytes,
            "storage_lives": self.storage_lives,
            "alpha": self.steady,
            "before": self.counts.map(|[before, _]| before),
            "after": self.counts.map(|[_, after]| after),
            "wrong": self.wrong,
            "ok": self.is_ok(),
        })
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let ends = self.restarts.iter();
        let ends: Vec<_> = ends.map(|(end, count)| format!("{end} {count}")).collect();
        let steady = self.steady;
        let mut rows = vec![
            (
                "restarts",
                format!("{} of {}", self.done(), self.order.restarts),
            ),
            ("… by the guest's end", ends.join(", ")),
            ("seconds, of this host", self.seconds.to_string()),
            (
                "bytes searched for what was left",
                self.searched_bytes.to_string(),
            ),
            (
                "guests that worked with their disk",
                self.storage_lives.to_string(),
            ),
            ("alpha: rounds of computing", steady.rounds.to_string()),
            ("alpha: errors", steady.errors.to_string()),
            ("alpha: exits in its rounds", steady.exits.to_string()),
            (
                "alpha: interrupts of others",
                steady.foreign_interrupts.to_string(),
            ),
        ];
        if let Some([before, after]) = &self.counts {
            rows.extend(
                values(before)
                    .into_iter()
                    .zip(values(after))
                    .map(|((what, before), (_, after))| (what, format!("{before}, then {after}"))),
            );
        }
        rows
    }
}

/// What a count has, with its name in the table.
fn values(count: &Count) -> [(&'static str, u64); 13] {
    let Count {
        steady, restarted, ..
    } = count;
    [
        ("alpha: exits", steady.exits),
        ("alpha: … of its reports", steady.exits_of_reports),
        ("alpha: denied accesses", steady.denied),
        ("alpha: console bytes dropped", steady.console_dropped_bytes),
        ("beta: exits", restarted.exits),
        ("beta: denied accesses", restarted.denied),
        ("beta: DMA and interrupt faults", restarted.faults),
        (
            "beta: console bytes dropped",
            restarted.console_dropped_bytes,
        ),
        ("channel: frames dropped", count.channel_dropped),
        ("channel: answers unsent", count.channel_unsent),
        ("heap in use, bytes", count.heap_bytes),
        ("frames given out, bytes", count.frame_bytes),
        (
            "longest turn of the loop, µs",
            count.longest_turn_microseconds,
        ),
    ]
}

/// What has to be nothing.
fn differences(before: &Count, after: &Count) -> [(&'static str, u64); 9] {
    let others = |count: &Count| {
        let steady = count.steady;
        steady.exits.saturating_sub(steady.exits_of_reports)
    };
    [
        (
            "alpha's exits but for its reports",
            others(after).abs_diff(others(before)),
        ),
        ("alpha's denied accesses", after.steady.denied),
        (
            "faults",
            after.steady.faults.saturating_add(after.restarted.faults),
        ),
        (
            "alpha's console bytes dropped",
            after.steady.console_dropped_bytes,
        ),
        (
            "beta's console bytes dropped",
            after.restarted.console_dropped_bytes,
        ),
        ("frames dropped on the channel", after.channel_dropped),
        ("answers unsent on the channel", after.channel_unsent),
        (
            "growth of the heap",
            after.heap_bytes.abs_diff(before.heap_bytes),
        ),
        (
            "growth of the frames",
            after.frame_bytes.abs_diff(before.frame_bytes),
        ),
    ]
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} guest on {}",
            self.order.kind.name(),
            self.machine
        )?;
        for (what, value) in self.rows() {
            writeln!(formatter, "  {what:<36} {value}")?;
        }
        for wrong in &self.wrong {
            writeln!(formatter, "  WRONG: {wrong}")?;
        }
        let verdict = if self.is_ok() {
            "nothing is wrong"
        } else {
            "NOT OK"
        };
        write!(formatter, "  {verdict}")
    }
}
