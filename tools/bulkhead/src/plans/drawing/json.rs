//! The drawing for programs.

use serde_json::{Value, json};

use super::{Device, Drawing, Owner, Rights};

/// Everything with its owner: a partition's name, or null.
pub fn draw(drawing: &Drawing) -> String {
    let owner = |owner| match owner {
        Owner::Partition(_) => json!(drawing.name(owner)),
        Owner::Nobody | Owner::Bulkhead => Value::Null,
    };
    let cores: Vec<_> = drawing
        .cores
        .iter()
        .map(|(core, of)| {
            json!({
                "core": core.0,
                "owner": owner(*of),
                "housekeeping": *of == Owner::Bulkhead,
            })
        })
        .collect();
    let pieces = drawing.memory.iter().flat_map(|bank| &bank.pieces);
    let memory: Vec<_> = pieces
        .map(|piece| {
            json!({
                "start": piece.start.as_u64(),
                "bytes": piece.bytes,
                "owner": owner(piece.owner),
            })
        })
        .collect();
    let function = |device: &Device| {
        let virtual_functions = device.virtual_functions.iter().map(|one| {
            json!({
                "number": one.number,
                "owner": owner(one.owner),
                "namespace": one.namespace,
            })
        });
        json!({
            "function": device.address.to_string(),
            "owner": owner(device.owner),
            "virtual_functions": virtual_functions.collect::<Vec<_>>(),
        })
    };
    let functions: Vec<_> = drawing.functions.iter().map(function).collect();
    let rights = drawing.names.iter().zip(&drawing.rights);
    let rights: Vec<_> = rights
        .filter(|(_, rights)| !rights.see.is_empty() || !rights.control.is_empty())
        .map(|(name, Rights { see, control })| {
            json!({ "partition": name, "may_see": see, "may_control": control })
        })
        .collect();
    json!({
        "file": drawing.title,
        "partitions": drawing.names,
        "cores": cores,
        "memory": memory,
        "functions": functions,
        "rights": rights,
    })
    .to_string()
}
