//! Exits by reason, one set for each core.

use core::sync::atomic::{AtomicU64, Ordering};

use vdev::exit_reason::ExitReason;

/// One core's exits by reason. Only that core counts; everybody may read.
#[derive(Debug, Default)]
pub struct Counters([AtomicU64; ExitReason::ALL.len()]);

impl Counters {
    /// Counts one exit. A load and a store, no locked instruction: there is one writer.
    pub fn count(&self, reason: ExitReason) {
        if let Some(counter) = self.0.get(reason.index()) {
            let next = counter.load(Ordering::Relaxed).wrapping_add(1);
            counter.store(next, Ordering::Relaxed);
        }
    }

    /// Counts the last exit for another reason, once more is known about it.
    pub fn recount(&self, from: ExitReason, to: ExitReason) {
        if let Some(counter) = self.0.get(from.index()) {
            let previous = counter.load(Ordering::Relaxed).wrapping_sub(1);
            counter.store(previous, Ordering::Relaxed);
            self.count(to);
        }
    }

    /// Keeps a number that somebody else has counted.
    pub fn set(&self, reason: ExitReason, count: u64) {
        if let Some(counter) = self.0.get(reason.index()) {
            counter.store(count, Ordering::Relaxed);
        }
    }

    /// How many exits there were for `reason`.
    pub fn read(&self, reason: ExitReason) -> u64 {
        self.0
            .get(reason.index())
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
