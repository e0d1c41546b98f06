//! When a partition is restarted: the keys `restart` and `restart_limit`.

use super::reader::{Finding, Reader, Table};
use crate::{Place, Restart, Rule};

/// How often in a row a partition is restarted after faults unless the plan says otherwise.
const DEFAULT_LIMIT: u16 = 5;

/// Reads both keys, and marks `place`, the limit's, where there is one.
pub fn read_restart(reader: &mut Reader, table: &Table<'_>, place: Place) -> Restart {
    let value = table.get("restart");
    let restart = value.and_then(|value| {
        reader.mark(place, value.span());
        reader.parse(&value, "\"never\", \"on-reboot\" or \"on-fault\"", parse)
    });
    let restart = restart.unwrap_or_default();
    let Some(limit) = table.get("restart_limit") else {
        return restart;
    };
    if !matches!(restart, Restart::OnFault { .. }) {
        reader.report(Finding {
            other: value.map(|value| value.span()),
            remedy: Some("write `restart = \"on-fault\"`, or remove the limit".into()),
            ..Finding::new(
                Rule::ConflictingKeys,
                table.key_span("restart_limit"),
                "`restart_limit` is for a partition that is restarted after faults".into(),
            )
        });
        return restart;
    }
    reader.mark(place, limit.span());
    let limit = reader.integer(&limit, "a number of restarts, 1 to 1000");
    limit.map_or(restart, |limit| Restart::OnFault { limit })
}

fn parse(text: &str) -> Option<Restart> {
    match text {
        "never" => Some(Restart::Never),
        "on-reboot" => Some(Restart::OnReboot),
        "on-fault" => Some(Restart::OnFault {
            limit: DEFAULT_LIMIT,
        }),
        _ => None,
    }
}
