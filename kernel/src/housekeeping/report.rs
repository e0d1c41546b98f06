//! The housekeeping core's loop: it prints the partitions' consoles, reports what happened,
//! and takes stopped partitions' devices back. No guest ever runs here.

extern crate alloc;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use vdev::exit_reason::ExitReason;

use crate::cpu::{interrupts, local_apic, time};
use crate::host::{console, frames, heap, paging};
use crate::iommu::Iommu;
use crate::log;
use crate::partition::build::BuildError;
use crate::partition::{Partition, StopCause};

/// How often the loop looks at things that nobody wakes it for.
const TICK_MILLISECONDS: u64 = 20;
/// A partition's faults that are printed one by one: a guest can cause any number of them.
const REPORTED_FAULTS: u64 = 64;
/// A guest's line that is longer is printed in pieces.
const LINE_BYTES: usize = 240;

/// Prints what each partition owns and what Bulkhead itself takes.
pub fn report(partitions: &[&'static Partition]) {
    for partition in partitions {
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
             \"memory_bytes\":{},\"functions\":[{}]}}",
            partition.name,
            partition.memory.bytes(),
            List(functions.iter().map(Quoted)),
        );
    }
    let image = paging::kernel_image().map_or(0, |image| image.bytes());
    let resident = image.saturating_add(frames::used());
    log!(
        "resident: {resident} bytes, of them {image} the image with a heap in use of {}",
        heap::used()
    );
    log!("json {{\"event\":\"resident\",\"bytes\":{resident}}}");
}

/// Says why a partition is not started.
pub fn refuse(name: &str, why: &BuildError<'_>) {
    log!("partition {name} is not started: {why}");
    log!(
        "json {{\"event\":\"refused\",\"name\":\"{name}\",\"why\":\"{}\"}}",
        Escaped(why)
    );
}

/// What the housekeeping core works on.
pub struct House {
    partitions: Vec<&'static Partition>,
    lines: Vec<Line>,
    iommu: &'static Iommu,
}

impl House {
    /// Sets everything up that the loop needs, before the heap is sealed.
    pub fn new(partitions: Vec<&'static Partition>, iommu: &'static Iommu) -> Self {
        let lines = partitions.iter().map(|_| Line::new()).collect();
        Self {
            partitions,
            lines,
            iommu,
        }
    }

    /// Starts all partitions and keeps house until the machine is switched off.
    pub fn run(mut self) -> ! {
        for partition in &self.partitions {
            partition.start();
        }
        keep(&self.partitions, &mut self.lines, self.iommu)
    }
}

fn keep(partitions: &[&'static Partition], lines: &mut [Line], iommu: &Iommu) -> ! {
    let mut running = partitions.len();
    let foreign_faults = AtomicU64::new(0);
    start_tick();
    announce_end(running);
    loop {
        for (partition, line) in partitions.iter().zip(lines.iter_mut()) {
            drain(partition, line);
            if let Some(cause) = partition.take_stop() {
                if let Err(why) = partition.release_devices(iommu) {
                    log!("partition {}: its functions: {why}", partition.name);
                }
                // The release has used the timer for its waits.
                start_tick();
                // What was printed between the look above and the stop.
                drain(partition, line);
                line.flush(&partition.name);
                report_stop(partition, cause);
                running = running.saturating_sub(1);
                announce_end(running);
            }
        }
        iommu.take_faults(|fault| {
            let owner = partitions.iter().find(|one| one.owns(fault.requester));
            let count = owner.map_or(&foreign_faults, |owner| &owner.faults);
            let before = count.fetch_add(1, Ordering::Relaxed);
            report_fault(owner.map(|owner| &*owner.name), fault, before);
        });
        interrupts::wait_unless(|| false);
    }
}

fn announce_end(running: usize) {
    if running == 0 {
        log!("no partition runs any more");
        log!("json {{\"event\":\"halted\"}}");
    }
}

/// Lets the loop look around now and then, whatever else happens.
fn start_tick() {
    local_apic::start_timer(time::timer_ticks(TICK_MILLISECONDS));
}

/// Prints what a guest has printed.
fn drain(partition: &Partition, line: &mut Line) {
    while let Some(byte) = partition.console.pop() {
        match byte {
            b'\n' => line.flush(&partition.name),
            b'\r' => {}
            byte => line.push(byte, &partition.name),
        }
    }
}

/// A guest's line, as far as it has come.
struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    const fn new() -> Self {
        Self {
            bytes: [0; LINE_BYTES],
            length: 0,
        }
    }

    /// Adds a byte; what is no printable ASCII could steer the terminal and becomes a dot.
    fn push(&mut self, byte: u8, name: &str) {
        if self.length >= LINE_BYTES {
            self.flush(name);
        }
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = if byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t') {
                byte
            } else {
                b'.'
            };
            self.length = self.length.saturating_add(1);
        }
    }

    fn flush(&mut self, name: &str) {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        if let Ok(text) = core::str::from_utf8(bytes)
            && !text.is_empty()
        {
            console::print(format_args!("[{name}] {text}\n"));
        }
        self.length = 0;
    }
}

fn report_stop(partition: &Partition, cause: StopCause) {
    let denied = partition.denied.load(Ordering::Relaxed);
    let faults = partition.faults.load(Ordering::Relaxed);
    let exits = Exits(partition);
    let dropped = partition.console.dropped();
    log!(
        "partition {} stopped: {cause}; {denied} accesses denied",
        partition.name
    );
    log!(
        "json {{\"event\":\"stopped\",\"name\":\"{}\",\"cause\":\"{cause}\",\"exits\":{exits},\
         \"denied\":{denied},\"faults\":{faults},\"console_bytes_dropped\":{dropped}}}",
        partition.name,
    );
}

/// Prints a fault of the partition `owner`, unless it has had many `before`.
fn report_fault(owner: Option<&str>, fault: &vtd::FaultRecord, before: u64) {
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
