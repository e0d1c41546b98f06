//! What `--json` prints. Times are in milliseconds, sizes in bytes; what is not there is null.

use mgmt_proto::{
    Channel, Counters, Event, EventKind, Fault, FunctionStatus, Health, ImageStatus, Origin,
    Sealed, StopCause, Summary,
};
use serde_json::{Map, Value, json};
use vdev::exit_reason::ExitReason;

use crate::channel::{Machine, Shown};

pub fn machine(machine: &Machine) -> Value {
    json!({
        "build": machine.build,
        "back_end": machine.back_end,
        "plan_crc32c": format!("{:08x}", machine.plan_crc32c),
        "partitions": machine.partitions,
        "housekeeping": machine.housekeeping.0,
        "uptime_milliseconds": machine.uptime_milliseconds,
    })
}

pub fn channel(channel: &Channel) -> Value {
    let dropped = &channel.dropped;
    json!({
        "requests": channel.requests,
        "repeated": channel.repeated,
        "overruns": channel.overruns,
        "unsent": channel.unsent,
        "dropped": {
            "too_long": dropped.too_long,
            "bad_cobs": dropped.bad_cobs,
            "bad_crc": dropped.bad_crc,
            "wrong_version": dropped.wrong_version,
            "bad_message": dropped.bad_message,
        },
    })
}

/// A partition in a list: its cores are counted as well as named.
pub fn listed(shown: &Shown) -> Value {
    let mut value = summary(&shown.summary);
    if let Value::Object(fields) = &mut value {
        fields.insert("core_ids".into(), core_ids(shown));
    }
    value
}

fn core_ids(shown: &Shown) -> Value {
    shown.cores.iter().map(|core| core.0).collect()
}

fn summary(summary: &Summary) -> Value {
    json!({
        "name": summary.name.as_str(),
        "state": summary.state.name(),
        "in_state_milliseconds": summary.in_state_milliseconds,
        "last_stop": summary.last_stop.map(cause),
        "restarts": summary.restarts,
        "cores": summary.cores,
        "memory_bytes": summary.memory_bytes,
    })
}

/// A partition with all there is about it; its cores are listed here, not counted.
pub fn shown(shown: &Shown, counted: &Counters) -> Value {
    let mut value = summary(&shown.summary);
    if let Value::Object(fields) = &mut value {
        fields.insert("cores".into(), core_ids(shown));
        let functions: Vec<_> = shown.functions.iter().map(function).collect();
        fields.insert("functions".into(), json!(functions));
        let images: Vec<_> = shown.images.iter().map(image).collect();
        fields.insert("images".into(), json!(images));
        fields.insert("largest_image".into(), json!(shown.largest_image));
        fields.insert("counters".into(), counters(counted));
    }
    value
}

fn function(function: &FunctionStatus) -> Value {
    let health = match function.health {
        Health::Good => "good",
        Health::ResetFailed => "reset-failed",
    };
    json!({ "function": function.function.to_string(), "health": health })
}

fn image(image: &ImageStatus) -> Value {
    let origin = match image.origin {
        Origin::Bundle => "bundle",
        Origin::Channel => "channel",
    };
    json!({
        "part": image.part.name(),
        "bytes": image.bytes,
        "crc32c": format!("{:08x}", image.crc32c),
        "origin": origin,
    })
}

pub fn counters(counters: &Counters) -> Value {
    let exits: Map<_, _> = ExitReason::ALL
        .into_iter()
        .map(|reason| (reason.name().into(), json!(counters.exits.of(reason))))
        .collect();
    json!({
        "name": counters.name.as_str(),
        "exits_total": counters.exits.total(),
        "exits": exits,
        "denied": counters.denied,
        "faults": counters.faults,
        "console_dropped_bytes": counters.console_dropped_bytes,
    })
}

fn cause(cause: StopCause) -> Value {
    json!({ "cause": cause.name(), "text": cause.to_string() })
}

pub fn sealed(sealed: &Sealed) -> Value {
    json!({
        "event": "sealed",
        "overwritten_bytes": sealed.overwritten_bytes,
        "text_bytes": sealed.text_bytes,
    })
}

pub fn event(number: u64, event: &Event) -> Value {
    let mut value = match event.kind {
        EventKind::Entered {
            partition,
            state,
            cause: why,
        } => json!({
            "event": "entered",
            "partition": partition.as_str(),
            "state": state.name(),
            "cause": why.map(cause),
        }),
        EventKind::RestartPlanned {
            partition,
            after_milliseconds,
        } => json!({
            "event": "restart-planned",
            "partition": partition.as_str(),
            "after_milliseconds": after_milliseconds,
        }),
        EventKind::DeviceLost {
            partition,
            function,
        } => json!({
            "event": "device-lost",
            "partition": partition.as_str(),
            "function": function.to_string(),
        }),
        EventKind::ImageReplaced { partition, part } => json!({
            "event": "image-replaced",
            "partition": partition.as_str(),
            "part": part.name(),
        }),
        EventKind::ImageRestored { partition, part } => json!({
            "event": "image-restored",
            "partition": partition.as_str(),
            "part": part.name(),
        }),
        EventKind::Sealed(extent) => sealed(&extent),
    };
    if let Value::Object(fields) = &mut value {
        fields.insert("number".into(), json!(number));
        fields.insert("milliseconds".into(), json!(event.milliseconds));
    }
    value
}

pub fn fault(number: u64, fault: &Fault) -> Value {
    json!({
        "number": number,
        "milliseconds": fault.milliseconds,
        "partition": fault.partition.map(|name| name.to_string()),
        "requester": fault.requester.to_string(),
        "reason": fault.reason,
        "address": fault.address,
        "interrupt_index": fault.interrupt_index,
    })
}
