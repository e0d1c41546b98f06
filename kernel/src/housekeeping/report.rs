//! What Bulkhead says of its partitions, for people and, in JSON, for programs.

extern crate alloc;
use alloc::vec::Vec;
use core::fmt::{self, Write, from_fn};
use core::sync::atomic::Ordering;

use lifecycle::{Afterwards, State};
use page_table::Leaves;
use vdev::exit_reason::ExitReason;

use crate::host::given_up::Sealed;
use crate::host::{frames, heap, paging};
use crate::log;
use crate::partition::Partition;
use crate::partition::build::BuildError;
use crate::partition::custody::Custody;

/// A partition's faults that are printed one by one: a guest can cause any number of them.
const REPORTED_FAULTS: u64 = 64;

/// Prints what each partition owns and what Bulkhead itself takes.
pub fn report(custodies: &[Custody]) {
    for Custody { partition, .. } in custodies {
        let cores = list(partition.core_ids.iter());
        let functions: Vec<_> = partition
            .functions
            .iter()
            .map(|one| one.lock().address)
            .collect();
        let none = if functions.is_empty() { "none" } else { "" };
        log!(
            "partition {}: cores {cores}, {} MiB of memory, functions {none}{}",
            partition.name,
            partition.memory.bytes() >> 20,
            list(functions.iter()),
        );
        log!(
            "json {{\"event\":\"partition\",\"name\":\"{}\",\"cores\":[{cores}],\
             \"memory_bytes\":{},\"functions\":[{}],\"cpu_tables\":{},\"iommu_tables\":{}}}",
            partition.name,
            partition.memory.bytes(),
            list(functions.iter().map(quoted)),
            tables(partition.translation.cpu),
            tables(partition.translation.iommu),
        );
    }
}

/// Reports the bytes that Bulkhead keeps, once nothing more is allocated or given up: of its image
/// and of the frames given out all that is still mapped, so no guard pages.
pub fn report_size() {
    let image = paging::kernel_image().map_or(0, |image| image.bytes());
    let taken = image.saturating_add(frames::used());
    let resident = taken.saturating_sub(paging::given_up());
    log!(
        "resident: {resident} of {taken} bytes taken at boot; heap in use {}",
        heap::used()
    );
    log!("json {{\"event\":\"resident\",\"bytes\":{resident}}}");
}

/// A second-stage table as a JSON object, in bytes.
fn tables(leaves: Leaves) -> impl fmt::Display {
    let (bytes, large) = (leaves.table_bytes(), leaves.large_bytes());
    from_fn(move |out| write!(out, "{{\"bytes\":{bytes},\"large_leaf_bytes\":{large}}}"))
}

/// Says why a partition is not started.
pub fn refuse(name: &str, why: &BuildError<'_>) {
    log!("partition {name} is not started: {why}");
    log!(
        "json {{\"event\":\"refused\",\"name\":\"{name}\",\"why\":\"{}\"}}",
        escaped(why)
    );
}

/// Says what has become of a partition that was in the state `before`. Its first start goes
/// without saying.
pub fn report_change(custody: &Custody, before: State) {
    let name = &custody.partition.name;
    let lifecycle = custody.lifecycle();
    if before == State::Stopping {
        report_stop(custody);
    }
    match lifecycle.state() {
        State::Running if lifecycle.starts() > 1 => {
            log!("partition {name} starts again");
            log!("json {{\"event\":\"started\",\"name\":\"{name}\"}}");
        }
        State::Stopped if before == State::Stopping => {
            report_afterwards(name, custody.afterwards());
        }
        State::Failed => report_failure(custody),
        State::Asked => log!("partition {name} is asked to switch itself off"),
        State::Running | State::Stopped | State::Starting | State::Stopping => {}
    }
}

fn report_afterwards(name: &str, afterwards: Afterwards) {
    match afterwards {
        Afterwards::Restarts(0) | Afterwards::Stays => {}
        Afterwards::Restarts(pause) => log!("partition {name} starts again in {pause} ms"),
        Afterwards::GivesUp => log!("partition {name} has been restarted as often as it may be"),
    }
}

fn report_failure(custody: &Custody) {
    let name = &custody.partition.name;
    let Some(failure) = custody.lifecycle().failure() else {
        return;
    };
    log!("partition {name} has failed: {failure}; it can start again after the machine does");
    log!(
        "json {{\"event\":\"failed\",\"name\":\"{name}\",\"why\":\"{}\"}}",
        escaped(failure)
    );
}

/// Says that no guest runs, and that none will by itself.
pub fn report_halt() {
    log!("no partition runs any more");
    log!("json {{\"event\":\"halted\"}}");
}

/// Says how much of Bulkhead is left.
pub fn report_sealing(sealed: Sealed) {
    let Sealed { overwritten, text } = sealed;
    log!("sealed: {overwritten} of {text} bytes of text are overwritten; no guest starts any more");
    log!("json {{\"event\":\"sealed\",\"overwritten_bytes\":{overwritten},\"text_bytes\":{text}}}");
}

fn report_stop(custody: &Custody) {
    let partition = custody.partition;
    let Some(cause) = custody.lifecycle().cause() else {
        return;
    };
    let denied = partition.denied.load(Ordering::Relaxed);
    let faults = partition.faults.load(Ordering::Relaxed);
    let exits = exits(partition);
    let dropped = partition.console_lost.load(Ordering::Relaxed);
    log!(
        "partition {} stopped: {cause}; {denied} accesses denied",
        partition.name
    );
    log!(
        "json {{\"event\":\"stopped\",\"name\":\"{}\",\"cause\":\"{}\",\"exits\":{exits},\
         \"denied\":{denied},\"faults\":{faults},\"console_bytes_dropped\":{dropped}}}",
        partition.name,
        escaped(cause),
    );
}

/// Prints a fault of the partition `owner`, unless it has had many `before`.
pub fn report_fault(owner: Option<&str>, fault: &vtd::FaultRecord, before: u64) {
    let owner = owner.unwrap_or("nobody");
    if before == REPORTED_FAULTS {
        log!("more faults of {owner} are counted, not printed");
    }
    if before >= REPORTED_FAULTS {
        return;
    }
    log!("DMA or interrupt fault of {owner}: {fault}");
    log!(
        "json {{\"event\":\"fault\",\"partition\":\"{owner}\",\"requester\":\"{}\",\
         \"reason\":{},\"address\":{}}}",
        fault.requester,
        fault.reason.0,
        fault.address,
    );
}

/// A partition's exits as a JSON object, without the reasons that never came.
fn exits(partition: &Partition) -> impl fmt::Display {
    let counted = ExitReason::ALL.map(|reason| (reason.name(), partition.exits(reason)));
    from_fn(move |out| {
        let fields = counted.iter().filter(|(_, count)| *count > 0);
        let fields =
            fields.map(|(name, count)| from_fn(move |out| write!(out, "\"{name}\":{count}")));
        write!(out, "{{{}}}", list(fields))
    })
}

/// A value in quotation marks; it has none itself.
fn quoted(value: impl fmt::Display) -> impl fmt::Display {
    from_fn(move |out| write!(out, "\"{value}\""))
}

/// A text with its quotation marks and backslashes escaped, for JSON.
fn escaped(text: impl fmt::Display) -> impl fmt::Display {
    from_fn(move |out| write!(Escaper(out), "{text}"))
}

struct Escaper<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                self.0.write_char('\\')?;
            }
            self.0.write_char(character)?;
        }
        Ok(())
    }
}

/// Things with commas between.
fn list(things: impl Iterator<Item: fmt::Display> + Clone) -> impl fmt::Display {
    from_fn(move |out| {
        for (index, thing) in things.clone().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{thing}")?;
        }
        Ok(())
    })
}
