//! Two bare guests run side by side and say so, each with what the plan gives it.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::message::Message;
use harness::{Bench, Event, Machine, Record};

use crate::plans;

/// Longer than two bare guests ever take.
const LIMIT: Duration = Duration::from_secs(60);

/// More processors than Bulkhead would have memory at boot for, if it took them all.
const MANY: u32 = 200;

/// Both print their line and power off; Bulkhead says that every partition has stopped.
pub fn both_partitions_pass(bench: &Bench) -> Result<()> {
    pass(&bench.machine(), bench)
}

/// As [`both_partitions_pass`] on a machine with many processors, which no partition has.
pub fn both_partitions_pass_among_many(bench: &Bench) -> Result<()> {
    let processors = MANY;
    pass(
        &Machine {
            processors,
            ..bench.machine()
        },
        bench,
    )
}

fn pass(machine: &Machine, bench: &Bench) -> Result<()> {
    let mut emulator = bench.start(machine, &plans::source(machine, &plans::two_hellos()))?;
    let mut record = Record::default();
    let mut passed = Vec::new();
    emulator.wait_for("the end of both partitions", LIMIT, |message| {
        record.take(message);
        if let Message::Console { partition, text } = message
            && text == "PASS hello"
        {
            passed.push(partition.clone());
        }
        (*message == Message::Event(Event::Halted)).then_some(())
    })?;
    passed.sort();
    ensure!(passed == ["alpha", "beta"], "passed: {passed:?}");
    for (name, cores) in [("alpha", vec![1]), ("beta", vec![2, 3])] {
        let partition = record.partition(name);
        let found = partition.map(|p| (p.cores.clone(), p.memory_bytes, p.cause.as_deref()));
        let expected = Some((cores, 64 << 20, Some("poweroff")));
        ensure!(found == expected, "{name}: {found:?}, not {expected:?}");
    }
    Ok(())
}
