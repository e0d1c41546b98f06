//! What Bulkhead counts, asked by the channel.

use anyhow::{Context, Result, bail};
use harness::Channel;
use mgmt_proto::{Answer, Counters, Request};
use serde::Serialize;
use vdev::ExitReason;

use super::RESTARTED;
use crate::watch::STEADY;

/// What Bulkhead counts, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Count {
    /// The steady partition.
    pub steady: Partition,
    /// The one that is restarted.
    pub restarted: Partition,
    /// What was no message, or was lost, on the channel.
    pub channel_dropped: u64,
    /// Answers that gave way to the next.
    pub channel_unsent: u64,
    /// The boot heap.
    pub heap_bytes: u64,
    /// The frames that were given out.
    pub frame_bytes: u64,
    /// The longest turn of the housekeeping core's loop.
    pub longest_turn_microseconds: u64,
}

/// What it counts of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// All exits.
    pub exits: u64,
    /// Those for CPUID and for ports: what reports on the console take.
    pub exits_of_reports: u64,
    /// Denied accesses.
    pub denied: u64,
    /// Accesses of its functions that the IOMMU refused.
    pub faults: u64,
    /// What its guest has printed and nobody could read.
    pub console_dropped_bytes: u64,
}

impl Count {
    /// Asks for all of it.
    pub fn read(channel: &mut Channel) -> Result<Self> {
        let [steady, restarted] = partitions(channel)?;
        let reply = channel.ask(&Request::Channel)?;
        let Answer::Channel(line) = reply.answer() else {
            bail!("{:?}", reply.answer());
        };
        let reply = channel.ask(&Request::Resources)?;
        let Answer::Resources(resources) = reply.answer() else {
            bail!("{:?}", reply.answer());
        };
        Ok(Self {
            steady,
            restarted,
            channel_dropped: line.dropped.total().saturating_add(line.overruns),
            channel_unsent: line.unsent,
            heap_bytes: resources.heap_bytes,
            frame_bytes: resources.frame_bytes,
            longest_turn_microseconds: resources.longest_turn_microseconds,
        })
    }
}

fn partitions(channel: &mut Channel) -> Result<[Partition; 2]> {
    let reply = channel.ask(&Request::Counters { from: 0 })?;
    let Answer::Counters(page) = reply.answer() else {
        bail!("{:?}", reply.answer());
    };
    let find = |name: &str| {
        let found = page.items.iter().find(|one| one.name == *name);
        found
            .map(partition)
            .with_context(|| format!("{name} is not listed"))
    };
    Ok([find(STEADY)?, find(RESTARTED)?])
}

fn partition(counters: Counters) -> Partition {
    let of_reports = [ExitReason::Cpuid, ExitReason::PortIo].map(|one| counters.exits.of(one));
    Partition {
        exits: counters.exits.total(),
        exits_of_reports: of_reports.iter().sum(),
        denied: counters.denied,
        faults: counters.faults,
        console_dropped_bytes: counters.console_dropped_bytes,
    }
}
