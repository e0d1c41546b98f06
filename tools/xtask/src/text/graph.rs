//! Who refers to whom among the kernel's functions and data, and what can no longer be reached.

use std::collections::BTreeSet;

/// A function, by its place in the graph.
pub type Index = usize;

/// A function of the kernel, with all that it refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// The data that it refers to.
    pub data: BTreeSet<DataIndex>,
    /// Whether it is `fmt` of one of the formatting traits.
    pub is_format: bool,
}

/// A piece of data, by its place in the graph.
pub type DataIndex = usize;

/// A piece of the kernel's data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// The section that it is, by its number in the file.
    pub section: usize,
    /// Its section's name.
    pub section_name: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it can be written.
    pub is_writable: bool,
    /// The function whose jump table it is: nobody else has its address.
    pub jumps_of: Option<Index>,
    /// The data that it refers to.
    pub data: BTreeSet<DataIndex>,
}

/// All functions and data, and the functions that data refer to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// The functions.
    pub functions: Vec<Function>,
    /// The data.
    pub data: Vec<Data>,
    /// Those whose addresses are in data: in the tables of trait objects, for instance.
    pub in_data: BTreeSet<Index>,
}

/// What becomes of a function, or of data, on one back end.
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
    /// The read-only data that nobody needs after boot.
    pub past_data: BTreeSet<DataIndex>,
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

    /// What becomes of the data `index`.
    pub fn data_fate(&self, index: DataIndex) -> Fate {
        if self.past_data.contains(&index) {
            Fate::Past
        } else {
            Fate::Stays
        }
    }
}

impl Graph {
    /// Finds what may be overwritten.
    ///
    /// What stays is what the roots reach without passing through what is cut. Two things
    /// beside the roots may be called through a pointer: a function that data refer to,
    /// and one whose address was taken by code that has run, since that code may have kept the
    /// address anywhere in memory. Formatting is different: the addresses of the functions that
    /// format come into the arguments of a macro only, which end with the expression (a trait
    /// object has them from data), and they keep no address themselves, for they are lent a value
    /// and a place to write to, no more.
    pub fn judge(&self, knowledge: &Knowledge) -> Verdict {
        let functions = self.functions.iter().enumerate();
        let formats = functions.filter(|(_, function)| function.is_format);
        let formats: BTreeSet<Index> = formats.map(|(index, _)| index).collect();
        let keep_nothing = knowledge.never.union(&formats).copied().collect();
        let keepers = self.reach(&knowledge.entry, &keep_nothing);
        let kept = keepers
            .iter()
            .filter_map(|index| self.functions.get(*index));
        let kept = kept.flat_map(|function| function.takes.difference(&formats).copied());
        let known = knowledge.roots.iter().chain(&self.in_data).copied();
        let roots = known.chain(kept).collect();
        let stays = self.reach(&roots, &knowledge.cut);
        let behind_cut = self.reach(&knowledge.cut, &stays);
        let rest = (0..self.functions.len()).filter(|index| !stays.contains(index));
        let (sealed, past): (_, BTreeSet<_>) = rest.partition(|index| behind_cut.contains(index));
        let past_keepers = keepers.intersection(&past).copied();
        let past_data = self.past_data(past_keepers, stays.union(&sealed).copied());
        Verdict {
            stays,
            sealed,
            past,
            past_data,
        }
    }

    /// The data that no function needs: neither one of `needed`, nor one of `past_keepers`, which
    /// may have kept the address of all that it refers to, but for its own jump table.
    fn past_data(
        &self,
        past_keepers: impl Iterator<Item = Index>,
        needed: impl Iterator<Item = Index>,
    ) -> BTreeSet<DataIndex> {
        let functions = past_keepers.map(|index| (index, Some(index)));
        let functions = functions.chain(needed.map(|index| (index, None)));
        let referred = functions.filter_map(|(index, ended)| {
            let data = self.functions.get(index)?.data.iter();
            Some(data.filter(move |data| ended.is_none() || self.jumps_of(**data) != ended))
        });
        let data = self.data.iter().enumerate();
        let writable = data.filter_map(|(index, data)| data.is_writable.then_some(index));
        let mut open: Vec<DataIndex> = referred.flatten().copied().chain(writable).collect();
        let mut past: BTreeSet<DataIndex> = (0..self.data.len()).collect();
        while let Some(index) = open.pop() {
            if past.remove(&index) {
                open.extend(self.data.get(index).iter().flat_map(|data| &data.data));
            }
        }
        past
    }

    fn jumps_of(&self, index: DataIndex) -> Option<Index> {
        self.data.get(index)?.jumps_of
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

    /// The bytes of the data `of`.
    pub fn data_bytes(&self, of: &BTreeSet<DataIndex>) -> u64 {
        let data = of.iter().filter_map(|index| self.data.get(*index));
        data.fold(0, |sum, data| sum.saturating_add(data.bytes))
    }
}

#[cfg(test)]
mod tests;
