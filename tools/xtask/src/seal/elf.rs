//! The kernel's ELF file as a graph.
//!
//! The compiler gives every function a section of its own, and so do the assembly sources. What
//! one function says of another is therefore a relocation, and the linker was asked to keep
//! those (`--emit-relocs`). Jump tables lie among the data and refer to the middle of the one
//! function that uses them; a pointer to a function refers to its beginning.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use object::elf::{R_X86_64_PC32, R_X86_64_PLT32, SHF_ALLOC};
use object::{
    File, Object, ObjectSection, ObjectSymbol, Relocation, RelocationFlags, RelocationTarget,
    Section, SectionFlags, SectionKind, SymbolKind,
};

use super::graph::{Function, Graph, Index};

/// What the addend of a reference relative to the instruction pointer has too little: it is
/// counted from the end of the four bytes that hold it.
const FIELD_BYTES: u64 = 4;

/// A reference to a place in the text.
struct Reference {
    /// The address where it stands.
    at: u64,
    /// The address that it refers to.
    to: u64,
    /// Whether it is a call or a jump: their type of relocation is their own.
    is_call: bool,
}

/// Reads the graph.
///
/// # Errors
/// The file has no relocations, or text that belongs to no function.
pub fn read(file: &File<'_>) -> Result<Graph> {
    let mut graph = Graph {
        functions: functions(file),
        ..Graph::default()
    };
    for section in file.sections().filter(is_in_memory) {
        let is_text = section.kind() == SectionKind::Text;
        for (at, relocation) in section.relocations() {
            let reference = resolve(file, at, &relocation)?;
            if is_text {
                add_from_text(&mut graph, &reference)?;
            } else if let Some(index) = begins_at(&graph, reference.to) {
                graph.in_data.insert(index);
            }
        }
    }
    let has_calls = graph
        .functions
        .iter()
        .any(|function| !function.calls.is_empty());
    if !has_calls || graph.in_data.is_empty() {
        bail!("the kernel was linked without --emit-relocs, or they are not understood here");
    }
    Ok(graph)
}

/// Whether the kernel sees the section: the others are for debuggers, or, as the note with the
/// entry point, for the boot loader.
fn is_in_memory(section: &Section<'_, '_>) -> bool {
    let is_loaded = matches!(
        section.flags(),
        SectionFlags::Elf { sh_flags } if sh_flags & u64::from(SHF_ALLOC) != 0
    );
    is_loaded && section.kind() != SectionKind::Note
}

/// The functions, by address; those that the compiler has found equal are one.
fn functions(file: &File<'_>) -> Vec<Function> {
    let mut functions: BTreeMap<u64, Function> = BTreeMap::new();
    let symbols = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text);
    for symbol in symbols.filter(|symbol| symbol.size() > 0) {
        let start = symbol.address();
        let name = crate::symbolize::demangle(symbol.name().unwrap_or("?"));
        let function = functions.entry(start).or_insert_with(|| Function {
            start,
            end: start.saturating_add(symbol.size()),
            ..Function::default()
        });
        function.names.push(name);
    }
    functions.into_values().collect()
}

fn resolve(file: &File<'_>, at: u64, relocation: &Relocation) -> Result<Reference> {
    let RelocationTarget::Symbol(symbol) = relocation.target() else {
        bail!("the relocation at {at:#x} refers to no symbol");
    };
    let RelocationFlags::Elf { r_type } = relocation.flags() else {
        bail!("the relocation at {at:#x} is none of ELF's");
    };
    let symbol = file
        .symbol_by_index(symbol)
        .with_context(|| format!("at {at:#x}"))?;
    let bias = match r_type {
        R_X86_64_PC32 | R_X86_64_PLT32 => FIELD_BYTES,
        _ => 0,
    };
    Ok(Reference {
        at,
        to: symbol
            .address()
            .wrapping_add_signed(relocation.addend())
            .wrapping_add(bias),
        is_call: r_type == R_X86_64_PLT32,
    })
}

fn add_from_text(graph: &mut Graph, reference: &Reference) -> Result<()> {
    let Reference { at, to, is_call } = *reference;
    let from = containing(graph, at)
        .with_context(|| format!("{at:#x} is in no function: assembly must say .type and .size"))?;
    let target = containing(graph, to).filter(|target| *target != from);
    if let (Some(target), Some(function)) = (target, graph.functions.get_mut(from)) {
        let set = if is_call {
            &mut function.calls
        } else {
            &mut function.takes
        };
        set.insert(target);
    }
    Ok(())
}

/// The function that `address` lies in.
fn containing(graph: &Graph, address: u64) -> Option<Index> {
    let after = graph
        .functions
        .partition_point(|function| function.start <= address);
    let index = after.checked_sub(1)?;
    graph
        .functions
        .get(index)
        .filter(|function| address < function.end)?;
    Some(index)
}

/// The function that begins at `address`.
fn begins_at(graph: &Graph, address: u64) -> Option<Index> {
    let found = graph
        .functions
        .binary_search_by_key(&address, |function| function.start);
    found.ok()
}
