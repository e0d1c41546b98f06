//! The user's tool in a partition: a stock Linux, whose kernel has no driver for it, manages
//! another partition by the channel that the plan gives it. The machine has no line for an
//! administrator.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Check, Event, Message};
use serde_json::Value;

use crate::plans::{self, ALPHA_START, Guest};

/// A Linux boot and three runs of the tool on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);
const MEBIBYTES: u64 = 256;

/// Beta is listed and restarted, and Bulkhead says so; to stop itself alpha has no right, and
/// the tool says what the plan lacks.
pub fn by_the_tool(bench: &Bench) -> Result<()> {
    let alpha = Guest::linux("alpha", &[1], (ALPHA_START, MEBIBYTES)).with_tool();
    let alpha = alpha.with_argument("bulkhead.functions=0 bulkhead.mode=manage");
    let alpha = alpha.with_rights(&["alpha"], &["beta"]);
    let mut emulator = plans::start(bench, &[alpha, Guest::beta("halted")])?;
    let mut checks = Vec::new();
    let mut causes = Vec::new();
    emulator.wait_for("what the tool says", LIMIT, |message| {
        match message {
            Message::Check { check, .. } => checks.push(check.clone()),
            Message::Event(Event::Stopped { name, cause, .. }) if name == "beta" => {
                causes.push(cause.clone());
            }
            _ => {}
        }
        (checks.len() == 3 || checks.iter().any(|check| check.name == "init")).then_some(())
    })?;
    let [list, restart, stop] = checks.as_slice() else {
        anyhow::bail!("{checks:?}");
    };
    ensure!(
        list.ok && said(list)?.contains("beta   running"),
        "{list:?}"
    );
    let is_restarted = said(restart)?.contains("beta is running");
    ensure!(restart.ok && is_restarted, "{restart:?}");
    ensure!(causes == ["administrator"], "beta stopped by {causes:?}");
    let refusal = "the plan does not let this partition control alpha";
    ensure!(!stop.ok && said(stop)?.contains(refusal), "{stop:?}");
    Ok(())
}

fn said(check: &Check) -> Result<&str> {
    let said = check.values.get("said").and_then(Value::as_str);
    said.with_context(|| format!("{check:?}"))
}
