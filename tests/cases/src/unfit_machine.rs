//! A machine that lacks what Bulkhead needs gets one line that names it and says what to do:
//! never a hang, a triple fault or a silent stop.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::message::REFUSAL;
use harness::{Bench, Feature, Iommu, Machine, Message};

use crate::plans;

/// The kernel finds it out before it starts a single guest.
const LIMIT: Duration = Duration::from_secs(30);

/// A processor whose virtualisation is absent or turned off.
pub fn without_virtualisation(bench: &Bench) -> Result<()> {
    let without = Some(Feature::Virtualisation);
    is_refused(
        &Machine {
            without,
            ..bench.machine()
        },
        bench,
        "neither VMX nor SVM",
    )
}

/// A processor with the xAPIC alone.
pub fn without_x2apic(bench: &Bench) -> Result<()> {
    let without = Some(Feature::X2apic);
    is_refused(
        &Machine {
            without,
            ..bench.machine()
        },
        bench,
        "x2APIC",
    )
}

/// A machine where devices reach all memory.
pub fn without_iommu(bench: &Bench) -> Result<()> {
    let iommu = Iommu::Absent;
    is_refused(
        &Machine {
            iommu,
            ..bench.machine()
        },
        bench,
        "IOMMU",
    )
}

/// A machine where devices reach all interrupt vectors.
pub fn without_interrupt_remapping(bench: &Bench) -> Result<()> {
    let iommu = Iommu::TranslationOnly;
    is_refused(
        &Machine {
            iommu,
            ..bench.machine()
        },
        bench,
        "interrupt remapping",
    )
}

/// A machine without a PIT, whose processors do not tell how fast their clock is.
pub fn without_timer(bench: &Bench) -> Result<()> {
    let extra = ["-machine", "pit=off"].map(str::to_owned).to_vec();
    is_refused(
        &Machine {
            extra,
            ..bench.machine()
        },
        bench,
        "no PIT answers",
    )
}

/// The plan wants an IOMMU; the line names `what` and goes on to say what to do.
fn is_refused(machine: &Machine, bench: &Bench, what: &str) -> Result<()> {
    let plan = plans::source(machine, &plans::two_hellos());
    let plan = plan.replace("iommu = \"none\"", "iommu = \"required\"");
    let mut emulator = bench.start(machine, &plan)?;
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
