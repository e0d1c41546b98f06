//! The list of what the kernel gives up after boot and on sealing, for people.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::Result;

use super::Findings;
use super::graph::{Graph, Index};

/// Prints what is given up and what stays, on each back end: sums first, then every function.
pub fn print(findings: &Findings) -> Result<()> {
    let mut output = io::stdout().lock();
    let graph = &findings.graph;
    for (back_end, verdict) in &findings.verdicts {
        let parts = [
            ("stays", &verdict.stays),
            (
                "overwritten by seal: guests' exits and starts",
                &verdict.sealed,
            ),
            (
                "overwritten after boot, and unmapped: boot, and the other back end",
                &verdict.past,
            ),
        ];
        writeln!(output, "{}: {} bytes", back_end.name, graph.text_bytes())?;
        for (what, functions) in parts {
            let bytes = graph.bytes(functions);
            writeln!(output, "{bytes:>9}  {what}: {} functions", functions.len())?;
        }
        let data = graph.data_bytes(&verdict.past_data);
        writeln!(output, "{data:>9}  more: data, unmapped after boot")?;
        for (what, functions) in parts {
            writeln!(output, "\n{}, {what}:", back_end.name)?;
            for (bytes, name) in by_size(graph, functions) {
                writeln!(output, "{bytes:>9}  {name}")?;
            }
        }
        writeln!(output)?;
    }
    Ok(())
}

/// The functions `of`, the largest first.
fn by_size<'a>(graph: &'a Graph, of: &BTreeSet<Index>) -> Vec<(u64, &'a str)> {
    let functions = of.iter().filter_map(|index| graph.functions.get(*index));
    let mut sizes: Vec<_> = functions
        .map(|function| {
            let name = function.names.first().map_or("?", String::as_str);
            (function.bytes, name)
        })
        .collect();
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}
