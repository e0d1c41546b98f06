//! `bulkhead ctl list`.

use mgmt_proto::Summary;
use serde_json::json;

use super::json;
use crate::channel::Client;
use crate::output::{self, Format};
use crate::problem::Problem;
use crate::text::{self, Align};

pub fn list(client: &mut Client, format: Format) -> Result<(), Problem> {
    let partitions = client.partitions()?;
    let text = match format {
        Format::Text => table(&partitions),
        Format::Json => {
            let partitions: Vec<_> = partitions.iter().map(json::summary).collect();
            json!({ "partitions": partitions }).to_string()
        }
    };
    output::line(&text)
}

fn table(partitions: &[Summary]) -> String {
    let headings = [
        ("NAME", Align::Left),
        ("STATE", Align::Left),
        ("FOR", Align::Right),
        ("CORES", Align::Right),
        ("MEMORY", Align::Right),
        ("RESTARTS", Align::Right),
        ("LAST STOP", Align::Left),
    ];
    let row = |one: &Summary| {
        [
            one.name.to_string(),
            one.state.to_string(),
            text::duration(one.in_state_milliseconds),
            one.cores.to_string(),
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
