//! What of the kernel's text a sealed machine gives up: found in the linked kernel, and written
//! into the tables that it keeps for that.
//!
//! The machine that is sealed runs guests in their steady state. What it still runs is named
//! here; everything that this cannot reach is given up. See [`graph`] for how that is found and
//! ARCHITECTURE.md, "Sealing", for why it holds.

mod elf;
mod forget;
pub mod graph;
mod list;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use graph::{Graph, Index, Knowledge, Verdict};
use object::File;

/// A back end, by its names in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackEnd {
    /// What it is called.
    pub name: &'static str,
    /// Its type.
    kind: &'static str,
    /// The other one's.
    other: &'static str,
    /// Its table.
    table: &'static str,
}

/// Both of them.
pub const BACK_ENDS: [BackEnd; 2] = [
    BackEnd {
        name: "SVM",
        kind: "bulkhead_kernel::vcpu::svm::Svm",
        other: "bulkhead_kernel::vcpu::vmx::Vmx",
        table: "sealable_svm",
    },
    BackEnd {
        name: "VMX",
        kind: "bulkhead_kernel::vcpu::vmx::Vmx",
        other: "bulkhead_kernel::vcpu::svm::Svm",
        table: "sealable_vmx",
    },
];

/// A kernel's functions, and what becomes of them on one back end.
#[derive(Debug, Clone)]
pub struct Findings {
    /// The functions.
    pub graph: Graph,
    /// What becomes of them.
    pub verdicts: Vec<(BackEnd, Verdict)>,
}

/// Lists what a sealed machine gives up of the kernel that the linker has made.
///
/// # Errors
/// The file is no kernel of ours.
pub fn list(linked: &Path) -> Result<()> {
    list::print(&examine(&File::parse(&*read(linked)?)?)?)
}

/// Makes the kernel from what the linker has made, by writing into it what a sealed machine gives
/// up.
///
/// # Errors
/// The file `linked` is no kernel of ours.
pub fn complete(linked: &Path, kernel: &Path) -> Result<()> {
    let mut bytes = read(linked)?;
    let tables = tables(&File::parse(&*bytes)?)?;
    for (offset, table) in tables {
        let end = offset.saturating_add(table.len());
        let place = bytes.get_mut(offset..end).context("a table is cut off")?;
        place.copy_from_slice(&table);
    }
    forget::relocations(&mut bytes)?;
    fs::write(kernel, bytes).with_context(|| format!("writing {}", kernel.display()))
}

fn read(linked: &Path) -> Result<Vec<u8>> {
    fs::read(linked).with_context(|| format!("reading {}", linked.display()))
}

/// The tables of both back ends, and where in the file they go.
fn tables(file: &File<'_>) -> Result<Vec<(usize, Vec<u8>)>> {
    let Findings { graph, verdicts } = examine(file)?;
    let table = |(back_end, verdict): &(BackEnd, Verdict)| {
        let ranges = graph.ranges(|index| !verdict.stays.contains(&index));
        let offset = table::offset(file, back_end.table)?;
        Ok((offset, table::encode(&ranges, graph.text_bytes())?))
    };
    verdicts.iter().map(table).collect()
}

fn examine(file: &File<'_>) -> Result<Findings> {
    let graph = elf::read(file)?;
    let verdict = |back_end| Ok((back_end, graph.judge(&knowledge(&graph, back_end)?)));
    let verdicts = BACK_ENDS.into_iter().map(verdict).collect::<Result<_>>()?;
    Ok(Findings { graph, verdicts })
}

/// What is known of the kernel's functions. Whoever renames one of these finds the build broken.
fn knowledge(graph: &Graph, back_end: BackEnd) -> Result<Knowledge> {
    let BackEnd { kind, other, .. } = back_end;
    Ok(Knowledge {
        entry: named(graph, &["pvh_entry".into()])?,
        never: named(graph, &[format!("bulkhead_kernel::start::<{other}>")])?,
        roots: named(
            graph,
            &[
                // The housekeeping core's loop and that of all others, neither of which returns.
                "<bulkhead_kernel::housekeeping::House>::run".into(),
                format!("bulkhead_kernel::vcpu::seat::stay::<{kind}>"),
                // Where interrupts and exceptions come in.
                "interrupt_stubs".into(),
            ],
        )?,
        cut: named(
            graph,
            &[
                // Exits of guests that are not in their steady state.
                format!("bulkhead_kernel::vcpu::answer::answer::<{kind}>"),
                // A sealed machine starts no guest, by `Lifecycle::seal`.
                "<bulkhead_kernel::partition::custody::Custody>::start".into(),
                // Cores are started at boot only; the trampoline has this one's address.
                format!("bulkhead_kernel::vcpu::seat::arrive::<{kind}>"),
            ],
        )?,
    })
}

/// The functions with these names.
fn named(graph: &Graph, names: &[String]) -> Result<BTreeSet<Index>> {
    let find = |name: &String| {
        let mut functions = graph.functions.iter();
        let found = functions.position(|function| function.names.contains(name));
        match found {
            Some(index) => Ok(index),
            None => bail!("the kernel has no function {name}"),
        }
    };
    names.iter().map(find).collect()
}
