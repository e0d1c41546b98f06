//! The kernel's object file as a graph.
//!
//! The compiler gives every function a section of its own, and so do the assembly sources. What
//! one function says of another is therefore a relocation from section to section. Jump tables
//! lie among the data and refer to the middle of the one function that uses them; a pointer to a
//! function refers to its beginning.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use object::elf::{R_X86_64_PC32, R_X86_64_PLT32, SHF_ALLOC};
use object::{
    File, Object, ObjectSection, ObjectSymbol, Relocation, RelocationFlags, RelocationTarget,
    Section, SectionFlags, SectionIndex, SectionKind, SymbolKind,
};

use super::graph::{Function, Graph, Index};

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
    let mut graph = Graph {
        functions: functions(file, &kept)?,
        ..Graph::default()
    };
    let functions = graph.functions.iter().enumerate();
    let indices: BTreeMap<usize, Index> = functions
        .map(|(index, function)| (function.section, index))
        .collect();
    for section in kept {
        let from = indices.get(&section).copied();
        for reference in sections.of(section) {
            if let Some(to) = indices.get(&reference.to) {
                add(&mut graph, from, *to, reference);
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

/// Adds a reference to function `to`, from function `from` or else from data.
fn add(graph: &mut Graph, from: Option<Index>, to: Index, reference: &Reference) {
    let Some(from) = from else {
        if reference.offset == 0 {
            graph.in_data.insert(to);
        }
        return;
    };
    if from != to
        && let Some(function) = graph.functions.get_mut(from)
    {
        let set = if reference.is_call {
            &mut function.calls
        } else {
            &mut function.takes
        };
        set.insert(to);
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
    let is_loaded = matches!(
        section.flags(),
        SectionFlags::Elf { sh_flags } if sh_flags & u64::from(SHF_ALLOC) != 0
    );
    is_loaded && section.kind() != SectionKind::Note
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
        let names = names.remove(index);
        functions.push(Function {
            names: names.with_context(|| {
                format!("{section_name} has no function: assembly must say .type")
            })?,
            section: *index,
            section_name,
            bytes: section.size(),
            calls: BTreeSet::new(),
            takes: BTreeSet::new(),
        });
    }
    Ok(functions)
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
