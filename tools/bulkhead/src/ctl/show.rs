//! `bulkhead ctl show`.

use std::fmt::Write;

use mgmt_proto::{Channel, Counters, FunctionStatus, Health, ImagePart, ImageStatus, Origin};
use serde_json::{Value, json};
use vdev::exit_reason::ExitReason;

use super::json;
use crate::channel::{Client, Machine, Shown};
use crate::output::{self, Format};
use crate::problem::Problem;
use crate::text;

/// All about the machine and its channel.
pub fn machine(client: &mut Client, format: Format) -> Result<(), Problem> {
    let machine = client.machine()?;
    let channel = client.channel()?;
    let text = match format {
        Format::Text => describe_machine(&machine, &channel),
        Format::Json => {
            let mut value = json::machine(&machine);
            if let Value::Object(fields) = &mut value {
                fields.insert("channel".into(), json!(json::channel(&channel)));
            }
            value.to_string()
        }
    };
    output::line(&text)
}

fn describe_machine(machine: &Machine, channel: &Channel) -> String {
    let dropped = &channel.dropped;
    fields(&[
        ("build", machine.build.clone()),
        ("back end", machine.back_end.clone()),
        ("plan", format!("{:08x}", machine.plan_crc32c)),
        ("partitions", machine.partitions.to_string()),
        ("housekeeping", format!("core {}", machine.housekeeping)),
        ("up for", text::duration(machine.uptime_milliseconds)),
        (
            "channel",
            format!(
                "{} requests, {} of them repeated, {} answers not read, {} bytes lost by the line",
                channel.requests, channel.repeated, channel.unsent, channel.overruns
            ),
        ),
        (
            "dropped",
            format!(
                "{} frames ({} too long, {} bad COBS, {} bad CRC, {} wrong version, {} bad message)",
                dropped.total(),
                dropped.too_long,
                dropped.bad_cobs,
                dropped.bad_crc,
                dropped.wrong_version,
                dropped.bad_message
            ),
        ),
    ])
}

/// All about one partition.
pub fn partition(client: &mut Client, name: &str, format: Format) -> Result<(), Problem> {
    let name = client.find(name)?.name;
    let shown = client.show(name)?;
    let counters = client.counters()?;
    let counters = counters.iter().find(|one| one.name == name);
    let counters = counters.ok_or(Problem::Unexpected)?;
    let text = match format {
        Format::Text => describe(&shown, counters),
        Format::Json => json::shown(&shown, counters).to_string(),
    };
    output::line(&text)
}

fn describe(shown: &Shown, counters: &Counters) -> String {
    let summary = &shown.summary;
    let last_stop = summary.last_stop.map(|cause| cause.to_string());
    let state = format!(
        "{} for {}",
        summary.state,
        text::duration(summary.in_state_milliseconds)
    );
    fields(&[
        ("name", summary.name.to_string()),
        ("state", state),
        ("last stop", last_stop.unwrap_or_else(|| "none".into())),
        ("restarts", summary.restarts.to_string()),
        ("cores", text::cores(&shown.cores)),
        ("memory", text::size(summary.memory_bytes)),
        (
            "functions",
            text::list(shown.functions.iter().map(function)),
        ),
        ("kernel", image(shown, ImagePart::Kernel)),
        ("initrd", image(shown, ImagePart::InitialRamdisk)),
        ("replaceable", replaceable(shown)),
        ("denied", counters.denied.to_string()),
        ("faults", counters.faults.to_string()),
        (
            "console",
            format!("{} bytes dropped", counters.console_dropped_bytes),
        ),
        ("exits", exits(counters)),
    ])
}

fn function(status: &FunctionStatus) -> String {
    match status.health {
        Health::Good => status.function.to_string(),
        Health::ResetFailed => format!("{} (did not come back from reset)", status.function),
    }
}

/// An image: `12345 bytes, CRC-32C 0badcafe (replaced)`.
fn image(shown: &Shown, part: ImagePart) -> String {
    let mut images = shown.images.iter();
    let found = images.find(|image| image.part == part);
    let Some(ImageStatus {
        bytes,
        crc32c,
        origin,
        ..
    }) = found
    else {
        return "none".to_owned();
    };
    let replaced = match origin {
        Origin::Bundle => "",
        Origin::Channel => " (replaced)",
    };
    format!("{bytes} bytes, CRC-32C {crc32c:08x}{replaced}")
}

fn replaceable(shown: &Shown) -> String {
    shown.largest_image.map_or_else(
        || "no: the plan gives no room".to_owned(),
        |bytes| format!("by images of up to {bytes} bytes"),
    )
}

/// The exits that there were: `1186 (cpuid 457, port-io 682)`.
fn exits(counters: &Counters) -> String {
    let total = counters.exits.total();
    let counted = ExitReason::ALL
        .into_iter()
        .map(|reason| (reason, counters.exits.of(reason)))
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| format!("{} {count}", reason.name()));
    format!("{total} ({})", text::list(counted))
}

fn fields(fields: &[(&str, String)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<12}  {value}");
    }
    text.truncate(text.trim_end().len());
    text
}
