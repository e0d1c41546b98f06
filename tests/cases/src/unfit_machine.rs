//! A machine that lacks what Bulkhead needs gets one line that names it and says what to do:
//! never a hang, a triple fault or a silent stop.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::message::REFUSAL;
use harness::{Bench, Iommu, Machine, Message};

use crate::plans;

/// The kernel finds it out before it starts a single guest.
const LIMIT: Duration = Duration::from_secs(30);

/// A processor whose virtualisation is absent or turned off.
pub fn without_svm(bench: &Bench) -> Result<()> {
    let machine = Machine::without_devices().with_processor("EPYC-Rome,-svm,+x2apic");
    is_refused(bench, &machine, "SVM")
}

/// A processor with the xAPIC alone.
pub fn without_x2apic(bench: &Bench) -> Result<()> {
    let machine = Machine::without_devices().with_processor("EPYC-Rome,-x2apic,+vgif");
    is_refused(bench, &machine, "x2APIC")
}

/// A machine where devices reach all memory.
pub fn without_iommu(bench: &Bench) -> Result<()> {
    let machine = Machine::without_devices().with_iommu(Iommu::Absent);
    is_refused(bench, &machine, "IOMMU")
}

/// A machine where devices reach all interrupt vectors.
pub fn without_interrupt_remapping(bench: &Bench) -> Result<()> {
    let machine = Machine::without_devices().with_iommu(Iommu::TranslationOnly);
    is_refused(bench, &machine, "interrupt remapping")
}

/// The line names `what` and goes on to say what to do.
fn is_refused(bench: &Bench, machine: &Machine, what: &str) -> Result<()> {
    let mut emulator = bench.start(machine, plans::TWO_HELLOS)?;
    let text = emulator.wait_for("refusal of the machine", LIMIT, |message| match message {
        Message::Text(text) => text.strip_prefix(REFUSAL).map(str::to_owned),
        _ => None,
    })?;
    let names_it = text.to_lowercase().contains(&what.to_lowercase());
    ensure!(names_it, "the line does not name {what}: {text}");
    let remedy = text.split_once("; ").map_or("", |(_, remedy)| remedy);
    ensure!(!remedy.is_empty(), "the line says not what to do: {text}");
    Ok(())
}
