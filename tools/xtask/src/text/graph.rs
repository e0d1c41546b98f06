//! Who refers to whom among the kernel's functions, and what can no longer be reached.

use std::collections::BTreeSet;

/// A function, by its place in the graph.
pub type Index = usize;

/// A function of the kernel, with all that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its names: what is the same is merged by the compiler.
    pub names: Vec<String>,
    /// The section that it is, by its number in the file.
    pub section: usize,
    /// Its section's name.
    pub section_name: String,
    /// Its size.
    pub bytes: u64,
    /// The functions that it calls, or jumps to.
    pub calls: BTreeSet<Index>,
    /// The functions whose addresses it takes: for whom to call them, and when, is not known.
    pub takes: BTreeSet<Index>,
}

/// All functions, and those that data refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The functions.
    pub functions: Vec<Function>,
    /// Those whose addresses are in data: in the tables of trait objects, for instance.
    pub in_data: BTreeSet<Index>,
}

/// What becomes of a function on one back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays.
    Stays,
    /// It is overwritten when the machine is sealed.
    Sealed,
    /// It is given up after boot: it ran at boot only, or never runs with this back end.
    Past,
}

/// What is known of how the functions are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Where the machine begins.
    pub entry: BTreeSet<Index>,
    /// What never runs on this machine: the other back end.
    pub never: BTreeSet<Index>,
    /// What runs, or may be entered from outside, in a sealed machine.
    pub roots: BTreeSet<Index>,
    /// What a sealed machine does not call, whoever refers to it.
    pub cut: BTreeSet<Index>,
}

/// What the functions are good for in a sealed machine, each in one of the three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What stays.
    pub stays: BTreeSet<Index>,
    /// What may be overwritten, and was reachable through what is cut.
    pub sealed: BTreeSet<Index>,
    /// What may be overwritten since it ran at boot only, or never runs on this machine.
    pub past: BTreeSet<Index>,
}

impl Verdict {
    /// What becomes of function `index`.
    pub fn fate(&self, index: Index) -> Fate {
        if self.stays.contains(&index) {
            Fate::Stays
        } else if self.sealed.contains(&index) {
            Fate::Sealed
        } else {
            Fate::Past
        }
    }
}

impl Graph {
    /// Finds what may be overwritten.
    ///
    /// What stays is what the roots reach without passing through what is cut. Two things
    /// beside the roots may be called through a pointer: a function that data refer to,
    /// and one whose address was taken by code that has run, since that code may have kept the
    /// address anywhere in memory.
    pub fn judge(&self, knowledge: &Knowledge) -> Verdict {
        let has_run = self.reach(&knowledge.entry, &knowledge.never);
        let kept = has_run
            .iter()
            .filter_map(|index| self.functions.get(*index));
        let kept = kept.flat_map(|function| function.takes.iter().copied());
        let known = knowledge.roots.iter().chain(&self.in_data).copied();
        let roots = known.chain(kept).collect();
        let stays = self.reach(&roots, &knowledge.cut);
        let behind_cut = self.reach(&knowledge.cut, &stays);
        let rest = (0..self.functions.len()).filter(|index| !stays.contains(index));
        let (sealed, past) = rest.partition(|index| behind_cut.contains(index));
        Verdict {
            stays,
            sealed,
            past,
        }
    }

    /// The functions that can be reached from `from` without entering one of `closed`.
    fn reach(&self, from: &BTreeSet<Index>, closed: &BTreeSet<Index>) -> BTreeSet<Index> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<Index> = from.iter().copied().collect();
        while let Some(index) = open.pop() {
            if closed.contains(&index) || !reached.insert(index) {
                continue;
            }
            if let Some(function) = self.functions.get(index) {
                open.extend(&function.calls);
                open.extend(&function.takes);
            }
        }
        reached
    }

    /// The bytes of all functions.
    pub fn text_bytes(&self) -> u64 {
        let functions = self.functions.iter();
        functions.fold(0, |sum, function| sum.saturating_add(function.bytes))
    }

    /// The bytes of the functions `of`.
    pub fn bytes(&self, of: &BTreeSet<Index>) -> u64 {
        let functions = of.iter().filter_map(|index| self.functions.get(*index));
        functions.fold(0, |sum, function| sum.saturating_add(function.bytes))
    }
}

#[cfg(test)]
mod tests;
