//! `bulkhead ctl list`.

use serde_json::json;

use super::json;
use crate::channel::{Client, Shown};
use crate::output::{self, Format};
use crate::problem::Problem;
use crate::text::{self, Align};

pub fn list(client: &mut Client, format: Format) -> Result<(), Problem> {
    let partitions = client.partitions()?;
    let shown = partitions.iter().map(|one| client.show(one.name));
    let partitions = shown.collect::<Result<Vec<_>, _>>()?;
    let text = match format {
        Format::Text => table(&partitions),
        Format::Json => {
            let partitions: Vec<_> = partitions.iter().map(json::listed).collect();
            json!({ "partitions": partitions }).to_string()
        }
    };
    output::line(&text)
}

fn table(partitions: &[Shown]) -> String {
    let headings = [
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("FOR", Align::Right),
        ("CORES", Align::Left),
        ("MEMORY", Align::Right),
        ("RESTARTS", Align::Right),
        ("LAST STOP", Align::Left),
    ];
    let row = |shown: &Shown| {
        let one = &shown.summary;
        [
            one.name.to_string(),
            one.state.to_string(),
            text::duration(one.in_state_milliseconds),
            text::cores(&shown.cores),
            text::size(one.memory_bytes),
            one.restarts.to_string(),
            one.last_stop
                .map(|cause| cause.to_string())
                .unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = partitions.iter().map(row).collect();
    text::table(headings, &rows)
}
