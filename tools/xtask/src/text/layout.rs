//! The order of the kernel's text and data, as parts of linker scripts that `boot/kernel.ld`
//! includes.
//!
//! Functions that are given up together lie together, and so do read-only data, so that what a back
//! end gives up after boot is one range of whole pages of each. `kernel/src/host/given_up.rs` reads
//! the tables.

use std::fmt::Write;
use std::ops::Range;

use anyhow::{Context, Result};

use super::graph::Fate::{self, Past, Sealed, Stays};
use super::graph::Index;
use super::{BACK_ENDS, Findings};

/// The parts of the text, in their order: what becomes of each on SVM, and on VMX.
const PARTS: [[Fate; 2]; 9] = [
    [Stays, Stays],
    [Sealed, Stays],
    [Sealed, Sealed],
    [Stays, Sealed],
    [Sealed, Past],
    [Stays, Past],
    [Past, Past],
    [Past, Stays],
    [Past, Sealed],
];
/// The parts that begin a page, for what the one before is given up on another back end; the
/// last is the end.
const ON_PAGES: [usize; 4] = [4, 6, 7, 9];
/// The ranges of parts that are overwritten on sealing, for each back end.
const SEALED: [[Range<usize>; 2]; 2] = [[1..3, 4..5], [2..4, 8..9]];
/// The range of parts that is given up after boot, for each back end.
const PAST: [Range<usize>; 2] = [6..9, 4..7];

/// The parts of the read-only data that are given up after boot, in their order: what becomes of
/// each on SVM, and on VMX. All begin a page, and so does the rest. What VMX alone could give up
/// is too little for a page of its own.
const DATA_PARTS: [[Fate; 2]; 2] = [[Past, Stays], [Past, Past]];
/// The range of these parts that is given up on each back end.
const PAST_DATA: [Range<usize>; 2] = [0..2, 1..2];

/// The script that puts the functions in their order, with a symbol before each part.
///
/// # Errors
/// Nothing but what formatting gives.
pub fn text(findings: &Findings) -> Result<String> {
    let mut script = String::new();
    for (number, fates) in PARTS.iter().enumerate() {
        begin_part(&mut script, number)?;
        for (index, function) in findings.graph.functions.iter().enumerate() {
            if findings.fates(index) == *fates {
                writeln!(script, "*({})", function.section_name)?;
            }
        }
    }
    begin_part(&mut script, PARTS.len())?;
    Ok(script)
}

/// The script that puts the data which are given up in their order, with a symbol before each part
/// and behind the last.
///
/// # Errors
/// Nothing but what formatting gives.
pub fn data(findings: &Findings) -> Result<String> {
    let mut script = String::new();
    for (number, fates) in DATA_PARTS.iter().enumerate() {
        writeln!(script, ". = ALIGN(4096);\ndata_part_{number} = .;")?;
        for (index, data) in findings.graph.data.iter().enumerate() {
            let verdicts = findings.verdicts.iter();
            if verdicts
                .map(|(_, verdict)| verdict.data_fate(index))
                .eq(*fates)
            {
                writeln!(script, "*({})", data.section_name)?;
            }
        }
    }
    writeln!(
        script,
        ". = ALIGN(4096);\ndata_part_{} = .;",
        DATA_PARTS.len()
    )?;
    Ok(script)
}

fn begin_part(script: &mut String, number: usize) -> Result<()> {
    if ON_PAGES.contains(&number) {
        writeln!(script, ". = ALIGN(4096);")?;
    }
    writeln!(script, "text_part_{number} = .;").context("formatting")
}

/// The script that writes each back end's table: the bytes of all functions, those that are
/// overwritten in the end, and the first address and the one behind the last of the text that is
/// given up after boot, of such data, and of the two ranges that sealing overwrites.
///
/// # Errors
/// Nothing but what formatting gives.
pub fn tables(findings: &Findings) -> Result<String> {
    let mut script = String::new();
    let ranges = PAST.iter().zip(&PAST_DATA).zip(&SEALED);
    for ((back_end, (_, verdict)), ((past, data), sealed)) in
        BACK_ENDS.iter().zip(&findings.verdicts).zip(ranges)
    {
        let graph = &findings.graph;
        let stays = graph.bytes(&verdict.stays);
        let overwritten = graph.text_bytes().saturating_sub(stays);
        writeln!(script, "{} = .;", back_end.table)?;
        writeln!(script, "LONG({}) LONG({overwritten})", graph.text_bytes())?;
        let text = |range| ("text", range);
        let ranges = [text(past), ("data", data)];
        for (kind, Range { start, end }) in ranges.into_iter().chain(sealed.iter().map(text)) {
            writeln!(script, "LONG({kind}_part_{start}) LONG({kind}_part_{end})")?;
        }
    }
    Ok(script)
}

impl Findings {
    /// What becomes of function `index`, on each back end.
    fn fates(&self, index: Index) -> Vec<Fate> {
        let verdicts = self.verdicts.iter();
        verdicts.map(|(_, verdict)| verdict.fate(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that have `fate` on back end `number`.
    fn with(fate: Fate, number: usize) -> Vec<usize> {
        let parts = PARTS.iter().enumerate();
        let parts = parts.filter(|(_, fates)| fates[number] == fate);
        parts.map(|(part, _)| part).collect()
    }

    #[test]
    fn each_part_has_its_place_in_its_ranges() {
        for (number, (past, sealed)) in PAST.into_iter().zip(SEALED).enumerate() {
            assert_eq!(with(Past, number), past.clone().collect::<Vec<_>>());
            assert_eq!(
                with(Sealed, number),
                sealed.into_iter().flatten().collect::<Vec<_>>()
            );
            assert!(ON_PAGES.contains(&past.start) && ON_PAGES.contains(&past.end));
        }
    }

    #[test]
    fn data_are_given_up_where_nobody_needs_them() {
        for (number, range) in PAST_DATA.into_iter().enumerate() {
            let parts = DATA_PARTS.iter().enumerate();
            let past = parts.filter(|(_, fates)| fates[number] == Past);
            assert!(past.map(|(part, _)| part).eq(range));
        }
    }

    #[test]
    fn all_pairs_of_fates_have_a_part() {
        let fates = [Stays, Sealed, Past];
        let pairs = fates
            .iter()
            .flat_map(|one| fates.iter().map(move |other| [*one, *other]));
        for pair in pairs {
            assert_eq!(
                PARTS.iter().filter(|part| **part == pair).count(),
                1,
                "{pair:?}"
            );
        }
    }
}
