//! `bulkhead ctl events`, `faults` and `log`: what is read by position, once or for ever.

use std::thread;
use std::time::Duration;

use mgmt_proto::{Event, EventKind, Fault};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::people::ForPeople;
use super::{json, seal};
use crate::arguments::Follow;
use crate::channel::{Client, Records};
use crate::output::{self, Format};
use crate::problem::Problem;
use crate::text;

/// How long nothing is asked when nothing has come.
const PAUSE: Duration = Duration::from_millis(250);

/// `bulkhead ctl events`
pub fn events(client: &mut Client, follow: &Follow, format: Format) -> Result<(), Problem> {
    records(client, follow, Client::events, |number, event| {
        output::line(&match format {
            Format::Text => event_line(event),
            Format::Json => json::event(number, event).to_string(),
        })
    })
}

/// `bulkhead ctl faults`
pub fn faults(client: &mut Client, follow: &Follow, format: Format) -> Result<(), Problem> {
    records(client, follow, Client::faults, |number, fault| {
        output::line(&match format {
            Format::Text => fault_line(fault),
            Format::Json => json::fault(number, fault).to_string(),
        })
    })
}

/// `bulkhead ctl log`
pub fn log(client: &mut Client, follow: &Follow, format: Format) -> Result<(), Problem> {
    let mut from = follow.from;
    let mut people = ForPeople::default();
    loop {
        let log = match client.log(from) {
            Err(Problem::Restarted) if follow.follow => {
                from = greet_again(client)?;
                continue;
            }
            log => log?,
        };
        say_lost(from, log.first, "bytes");
        from = log.next();
        if !log.bytes.is_empty() {
            match format {
                Format::Text => output::write(&people.take(&log.bytes))?,
                Format::Json => output::line(
                    &json!({
                        "first": log.first,
                        "text": String::from_utf8_lossy(&log.bytes),
                    })
                    .to_string(),
                )?,
            }
        }
        if from < log.end {
            continue;
        }
        if !follow.follow {
            return output::write(&people.end());
        }
        thread::sleep(PAUSE);
    }
}

/// Reads records on and on, and shows each.
fn records<T: DeserializeOwned>(
    client: &mut Client,
    follow: &Follow,
    read: impl Fn(&mut Client, u64) -> Result<Records<T>, Problem>,
    show: impl Fn(u64, &T) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let mut from = follow.from;
    loop {
        let records = match read(client, from) {
            Err(Problem::Restarted) if follow.follow => {
                from = greet_again(client)?;
                continue;
            }
            records => records?,
        };
        say_lost(from, records.first, "records");
        for (number, record) in (records.first..).zip(&records.records) {
            show(number, record)?;
        }
        from = records.next();
        if from < records.end {
            continue;
        }
        if !follow.follow {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
}

/// Goes on in the machine's new session; returns where its records begin.
fn greet_again(client: &mut Client) -> Result<u64, Problem> {
    client.greet()?;
    output::note("bulkhead: the machine has restarted");
    Ok(0)
}

/// Says how much there was between what was asked for and what there still is.
fn say_lost(from: u64, first: u64, what: &str) {
    let lost = first.saturating_sub(from);
    if lost > 0 {
        output::note(&format!("bulkhead: {lost} older {what} are gone"));
    }
}

/// An event for people.
pub fn event_line(event: &Event) -> String {
    let what = match event.kind {
        EventKind::Entered {
            partition,
            state,
            cause: Some(cause),
        } => format!("{partition} is {state}: {cause}"),
        EventKind::Entered {
            partition, state, ..
        } => format!("{partition} is {state}"),
        EventKind::RestartPlanned {
            partition,
            after_milliseconds,
        } => format!(
            "{partition} starts again in {}",
            text::duration(after_milliseconds)
        ),
        EventKind::DeviceLost {
            partition,
            function,
        } => format!("{partition}: {function} did not come back from reset"),
        EventKind::ImageReplaced { partition, part } => {
            format!("{partition}: {part} replaced")
        }
        EventKind::ImageRestored { partition, part } => {
            format!("{partition}: {part} of the bundle again")
        }
        EventKind::Sealed(extent) => seal::describe(&extent),
    };
    stamped(event.milliseconds, &what)
}

fn fault_line(fault: &Fault) -> String {
    let owner = fault
        .partition
        .map_or_else(|| "nobody".to_owned(), |name| name.to_string());
    let what = match fault.interrupt_index {
        Some(index) => format!("interrupt by entry {index}"),
        None => format!("access to {:#x}", fault.address),
    };
    let text = format!(
        "{owner}: {} was refused an {what}, reason {:#04x}",
        fault.requester, fault.reason
    );
    stamped(fault.milliseconds, &text)
}

/// The text behind the time since the machine's boot, in seconds.
fn stamped(milliseconds: u64, text: &str) -> String {
    format!(
        "[{:>8}.{:03}] {text}",
        milliseconds / 1000,
        milliseconds % 1000
    )
}
