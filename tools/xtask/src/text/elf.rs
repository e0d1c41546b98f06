//! The kernel's object file as a graph.
//!
//! The compiler gives every function a section of its own, and so do the assembly sources. What
//! one function says of another is therefore a relocation from section to section. Jump tables
//! lie among the data and refer to the middle of the one function that uses them, whose name they
//! have; a pointer to a function refers to its beginning.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::elf::{R_X86_64_PC32, R_X86_64_PLT32, SHF_ALLOC, SHF_WRITE};
use object::{
    File, Object, ObjectSection, ObjectSymbol, Relocation, RelocationFlags, RelocationTarget,
    Section, SectionFlags, SectionIndex, SectionKind, SymbolKind,
};

use super::graph::{Data, DataIndex, Function, Graph, Index};

/// Where the machine begins: what this does not reach the linker leaves out.
const ENTRY: &str = "pvh_entry";
/// What the addend of a reference relative to the instruction pointer has too little: it is
/// counted from the end of the four bytes that hold it.
const FIELD_BYTES: i64 = 4;

/// A reference to a place in another section.
struct Reference {
    /// The section.
    to: usize,
    /// How far from the section's beginning.
    offset: i64,
    /// Whether it is a call or a jump: their type of relocation is their own.
    is_call: bool,
}

/// The sections that come into memory, each with what it refers to.
struct Sections(BTreeMap<usize, Vec<Reference>>);

/// Reads the graph of what the linker will keep.
///
/// # Errors
/// The file has no relocations, or text that belongs to no function.
pub fn read(file: &File<'_>) -> Result<Graph> {
    let sections = Sections::read(file)?;
    let entry = file.symbol_by_name(ENTRY);
    let entry = entry.and_then(|symbol| symbol.section_index());
    let kept = sections.reach(entry.with_context(|| format!("no symbol {ENTRY}"))?.0);
    let functions = functions(file, &kept)?;
    let mut graph = Graph {
        data: data(file, &kept, &functions)?,
        functions,
        ..Graph::default()
    };
    let nodes = nodes(&graph);
    for (section, from) in &nodes {
        for reference in sections.of(*section) {
            if let Some(to) = nodes.get(&reference.to) {
                add(&mut graph, *from, *to, reference);
            }
        }
    }
    let has_calls = graph
        .functions
        .iter()
        .any(|function| !function.calls.is_empty());
    if !has_calls || graph.in_data.is_empty() {
        bail!("the kernel's object file has no relocations, or they are not understood here");
    }
    Ok(graph)
}

/// What a section is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Function(Index),
    Data(DataIndex),
}

/// What each section is that the graph has, by its number in the file.
fn nodes(graph: &Graph) -> BTreeMap<usize, Node> {
    let functions = graph.functions.iter().enumerate();
    let functions = functions.map(|(index, function)| (function.section, Node::Function(index)));
    let data = graph.data.iter().enumerate();
    let data = data.map(|(index, data)| (data.section, Node::Data(index)));
    functions.chain(data).collect()
}

/// Adds a reference.
fn add(graph: &mut Graph, from: Node, to: Node, reference: &Reference) {
    match (from, to) {
        (Node::Function(from), Node::Function(to)) if from != to => {
            if let Some(function) = graph.functions.get_mut(from) {
                let set = if reference.is_call {
                    &mut function.calls
                } else {
                    &mut function.takes
                };
                set.insert(to);
            }
        }
        (Node::Function(from), Node::Data(to)) => {
            if let Some(function) = graph.functions.get_mut(from) {
                function.data.insert(to);
            }
        }
        (Node::Data(from), Node::Data(to)) => {
            if let Some(data) = graph.data.get_mut(from) {
                data.data.insert(to);
            }
        }
        (Node::Data(_), Node::Function(to)) if reference.offset == 0 => {
            graph.in_data.insert(to);
        }
        _ => {}
    }
}

impl Sections {
    fn read(file: &File<'_>) -> Result<Self> {
        let mut sections = BTreeMap::new();
        for section in file.sections().filter(is_in_memory) {
            let mut references = Vec::new();
            for (at, relocation) in section.relocations() {
                let found = resolve(file, &relocation);
                references
                    .extend(found.with_context(|| format!("{at:#x} of {:?}", section.name()))?);
            }
            sections.insert(section.index().0, references);
        }
        Ok(Self(sections))
    }

    fn of(&self, section: usize) -> &[Reference] {
        self.0.get(&section).map_or(&[], Vec::as_slice)
    }

    /// All that can be reached from `start`: what the linker keeps, which collects garbage.
    fn reach(&self, start: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![start];
        while let Some(section) = open.pop() {
            if self.0.contains_key(&section) && reached.insert(section) {
                open.extend(self.of(section).iter().map(|reference| reference.to));
            }
        }
        reached
    }
}

/// Whether the kernel sees the section: the others are for debuggers, or, as the note with the
/// entry point, for the boot loader.
fn is_in_memory(section: &Section<'_, '_>) -> bool {
    has_flag(section, SHF_ALLOC) && section.kind() != SectionKind::Note
}

fn has_flag(section: &Section<'_, '_>, flag: u32) -> bool {
    matches!(
        section.flags(),
        SectionFlags::Elf { sh_flags } if sh_flags & u64::from(flag) != 0
    )
}

/// The functions in the sections `kept`, in the order of the file; those that the compiler has
/// found equal are one.
fn functions(file: &File<'_>, kept: &BTreeSet<usize>) -> Result<Vec<Function>> {
    let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for symbol in file.symbols() {
        if symbol.kind() == SymbolKind::Text
            && let Some(section) = symbol.section_index()
        {
            let name = crate::symbolize::demangle(symbol.name().unwrap_or("?"));
            names.entry(section.0).or_default().push(name);
        }
    }
    let mut functions = Vec::new();
    for index in kept {
        let section = file.section_by_index(SectionIndex(*index))?;
        if section.kind() != SectionKind::Text || section.size() == 0 {
            continue;
        }
        let section_name = section.name()?.to_owned();
        let names = names
            .remove(index)
            .with_context(|| format!("{section_name} has no function: assembly must say .type"))?;
        functions.push(Function {
            is_format: names.iter().all(|name| is_format(name)),
            names,
            section: *index,
            section_name,
            bytes: section.size(),
            calls: BTreeSet::new(),
            takes: BTreeSet::new(),
            data: BTreeSet::new(),
        });
    }
    Ok(functions)
}

/// Whether a function is `fmt` of one of the formatting traits.
fn is_format(name: &str) -> bool {
    name.ends_with(">::fmt") && name.contains(" as core::fmt::")
}

/// The data in the sections `kept`, in the order of the file. The compiler gives a jump table the
/// name of its function.
fn data(file: &File<'_>, kept: &BTreeSet<usize>, functions: &[Function]) -> Result<Vec<Data>> {
    let names = functions.iter().enumerate();
    let names = names.filter_map(|(index, function)| {
        let name = function.section_name.strip_prefix(".text")?;
        Some((name, index))
    });
    let names: BTreeMap<&str, Index> = names.collect();
    let mut all = Vec::new();
    for index in kept {
        let section = file.section_by_index(SectionIndex(*index))?;
        if section.kind() == SectionKind::Text {
            continue;
        }
        let section_name = section.name()?.to_owned();
        let function = section_name.strip_prefix(".rodata");
        all.push(Data {
            section: *index,
            bytes: section.size(),
            is_writable: has_flag(&section, SHF_WRITE),
            jumps_of: function.and_then(|name| names.get(name).copied()),
            section_name,
            data: BTreeSet::new(),
        });
    }
    Ok(all)
}

/// Where a reference goes, if not to a symbol of the linker script.
fn resolve(file: &File<'_>, relocation: &Relocation) -> Result<Option<Reference>> {
    let RelocationTarget::Symbol(symbol) = relocation.target() else {
        bail!("the relocation refers to no symbol");
    };
    let RelocationFlags::Elf { r_type } = relocation.flags() else {
        bail!("the relocation is none of ELF's");
    };
    let symbol = file.symbol_by_index(symbol)?;
    let bias = match r_type {
        R_X86_64_PC32 | R_X86_64_PLT32 => FIELD_BYTES,
        _ => 0,
    };
    let start = i64::try_from(symbol.address())?;
    Ok(symbol.section_index().map(|section| Reference {
        to: section.0,
        offset: start.wrapping_add(relocation.addend()).wrapping_add(bias),
        is_call: r_type == R_X86_64_PLT32,
    }))
}
