//! `bulkhead ctl counters`.

use mgmt_proto::Counters;
use vdev::exit_reason::ExitReason;

use super::json;
use crate::channel::Client;
use crate::output::{self, Format};
use crate::problem::Problem;
use crate::text::{self, Align};

pub fn counters(client: &mut Client, name: Option<&str>, format: Format) -> Result<(), Problem> {
    let only = name.map(|name| client.find(name)).transpose()?;
    let mut counters = client.counters()?;
    if let Some(only) = only {
        counters.retain(|one| one.name == only.name);
    }
    match format {
        Format::Text => output::line(&table(&counters)),
        Format::Json => counters
            .iter()
            .try_for_each(|one| output::line(&json::counters(one).to_string())),
    }
}

/// A line for each counter of each partition that is not zero, and for the totals.
fn table(counters: &[Counters]) -> String {
    let headings = [
        ("PARTITION", Align::Left),
        ("COUNTER", Align::Left),
        ("COUNT", Align::Right),
    ];
    let rows: Vec<_> = counters.iter().flat_map(rows).collect();
    text::table(headings, &rows)
}

fn rows(counters: &Counters) -> Vec<[String; 3]> {
    let row = |name: String, count: u64| [counters.name.to_string(), name, count.to_string()];
    let reasons = ExitReason::ALL
        .into_iter()
        .map(|reason| (reason, counters.exits.of(reason)))
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| row(format!("exits: {}", reason.name()), count));
    let totals = [
        ("exits", counters.exits.total()),
        ("denied accesses", counters.denied),
        ("faults", counters.faults),
        ("console bytes dropped", counters.console_dropped_bytes),
    ];
    let totals = totals.map(|(name, count)| row(name.to_owned(), count));
    totals.into_iter().chain(reasons).collect()
}
