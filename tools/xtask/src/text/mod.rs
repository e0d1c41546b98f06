//! The kernel's text and data, and how long which of them is needed.
//!
//! The compiler's work ends with one object file (`kernel/build.rs`). Here its functions and data
//! become a graph that tells what only boot needs, what only the other back end, and what a
//! sealed machine can do without; they are laid out accordingly, and linked. What a sealed machine
//! still runs is named here; everything that this cannot reach is given up. See [`graph`] for how
//! that is found and ARCHITECTURE.md, "Text and data that are given up", for why it holds.

mod elf;
pub mod graph;
mod layout;
mod list;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use graph::{Graph, Index, Knowledge, Verdict};
use object::File;

use crate::command;
use crate::paths::Paths;

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
        table: "given_up_svm",
    },
    BackEnd {
        name: "VMX",
        kind: "bulkhead_kernel::vcpu::vmx::Vmx",
        other: "bulkhead_kernel::vcpu::svm::Svm",
        table: "given_up_vmx",
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

/// Lists what a sealed machine gives up of the kernel that the compiler has made.
///
/// # Errors
/// The object file is no kernel of ours.
pub fn list(paths: &Paths) -> Result<()> {
    list::print(&examine(&paths.kernel_object())?)
}

/// Links the kernel.
///
/// # Errors
/// The object file is no kernel of ours, or the linker says no.
pub fn link(paths: &Paths) -> Result<()> {
    let object = paths.kernel_object();
    let findings = examine(&object)?;
    let scripts = paths.kernel_scripts();
    write(&scripts.join("text.ld"), &layout::text(&findings)?)?;
    write(&scripts.join("data.ld"), &layout::data(&findings)?)?;
    write(&scripts.join("given_up.ld"), &layout::tables(&findings)?)?;
    let mut linker = Command::new("ld.lld");
    linker.args(["-static", "-O1", "--gc-sections", "-z", "noexecstack"]);
    linker.arg("-T").arg(paths.kernel_script());
    linker.arg("-L").arg(scripts);
    command::run(linker.arg("-o").arg(paths.kernel()).arg(object))
}

fn write(path: &Path, script: &str) -> Result<()> {
    let folder = path.parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, script).with_context(|| format!("writing {}", path.display()))
}

fn examine(object: &Path) -> Result<Findings> {
    let bytes = fs::read(object).with_context(|| format!("reading {}", object.display()))?;
    let graph = elf::read(&File::parse(&*bytes)?)?;
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
