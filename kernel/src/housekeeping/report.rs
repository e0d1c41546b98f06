//! What Bulkhead says of its partitions, for people and, in JSON, for programs.

extern crate alloc;
use alloc::vec::Vec;
use core::fmt::{self, Write};
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
        let cores = List(partition.core_ids.iter());
        let functions: Vec<_> = partition
            .functions
            .iter()
            .map(|one| one.lock().address)
            .collect();
        log!(
            "partition {}: cores {cores}, {} MiB of memory, functions {}",
            partition.name,
            partition.memory.bytes() >> 20,
            List(functions.iter()),
        );
        log!(
            "json {{\"event\":\"partition\",\"name\":\"{}\",\"cores\":[{cores}],\
             \"memory_bytes\":{},\"functions\":[{}],\"cpu_tables\":{},\"iommu_tables\":{}}}",
            partition.name,
            partition.memory.bytes(),
            List(functions.iter().map(Quoted)),
            Tables(partition.translation.cpu),
            Tables(partition.translation.iommu),
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
struct Tables(Leaves);

impl fmt::Display for Tables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, large) = (self.0.table_bytes(), self.0.large_bytes());
        write!(
            formatter,
            "{{\"bytes\":{bytes},\"large_leaf_bytes\":{large}}}"
        )
    }
}

/// Says why a partition is not started.
pub fn refuse(name: &str, why: &BuildError<'_>) {
    log!("partition {name} is not started: {why}");
    log!(
        "json {{\"event\":\"refused\",\"name\":\"{name}\",\"why\":\"{}\"}}",
        Escaped(why)
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
        Escaped(failure)
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
    let exits = Exits(partition);
    let dropped = partition.console_lost.load(Ordering::Relaxed);
    log!(
        "partition {} stopped: {cause}; {denied} accesses denied",
        partition.name
    );
    log!(
        "json {{\"event\":\"stopped\",\"name\":\"{}\",\"cause\":\"{}\",\"exits\":{exits},\
         \"denied\":{denied},\"faults\":{faults},\"console_bytes_dropped\":{dropped}}}",
        partition.name,
        Escaped(cause),
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
struct Exits<'a>(&'a Partition);

impl fmt::Display for Exits<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = ExitReason::ALL
            .iter()
            .map(|reason| (reason.name(), self.0.exits(*reason)));
        let counted = counted.filter(|(_, count)| *count > 0);
        write!(formatter, "{{{}}}", List(counted.map(Field)))
    }
}

/// `"name":value`.
struct Field((&'static str, u64));

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\":{}", self.0.0, self.0.1)
    }
}

/// A value in quotation marks; it has none itself.
struct Quoted<T>(T);

impl<T: fmt::Display> fmt::Display for Quoted<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0)
    }
}

/// A text with its quotation marks and backslashes escaped, for JSON.
struct Escaped<T>(T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(formatter), "{}", self.0)
    }
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
struct List<I>(I);

impl<I: Iterator<Item: fmt::Display> + Clone> fmt::Display for List<I> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.clone().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{item}")?;
        }
        Ok(())
    }
}
