//! The user's tool, and what it says of exits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;

/// Each partition's exits by reason.
pub type Exits = BTreeMap<String, BTreeMap<String, u64>>;

/// The user's tool on the machine's management channel.
pub struct Tool {
    program: PathBuf,
    address: String,
}

impl Tool {
    /// The tool `program` on the channel at `socket`.
    pub fn new(program: PathBuf, socket: &Path) -> Self {
        Self {
            program,
            address: format!("unix:{}", socket.display()),
        }
    }

    /// Runs `bulkhead ctl` with these arguments; what it prints.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        command::output(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut tool = Command::new(&self.program);
        tool.args(["ctl", "--timeout", "60", "--to", &self.address]);
        tool.args(arguments);
        tool
    }

    /// Seals the machine, as often as it takes: a core that an emulator leaves without time for
    /// too long does not come. What the tool says of it.
    ///
    /// # Errors
    /// The machine refuses for another reason, or for longer than `limit`.
    pub fn seal(&self, limit: Duration) -> Result<Value> {
        let begin = Instant::now();
        loop {
            let mut tool = self.command(&["--json", "seal", "--yes"]);
            let said: Value = serde_json::from_slice(&tool.output()?.stdout)?;
            let error = said.get("error").and_then(Value::as_str);
            match error {
                None => return Ok(said),
                Some("machine-busy") if begin.elapsed() < limit => {}
                Some(_) => bail!("sealing: {said}"),
            }
        }
    }

    /// Each partition's exits so far.
    pub fn exits(&self) -> Result<Exits> {
        parse(&self.run(&["--json", "counters"])?)
    }
}

/// One object a line.
fn parse(text: &str) -> Result<Exits> {
    let mut exits = Exits::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line)?;
        let name = value.get("name").and_then(Value::as_str);
        let counts = value.get("exits").and_then(Value::as_object);
        let counts = counts.with_context(|| format!("no exits in {line}"))?;
        let counts = counts
            .iter()
            .filter_map(|(reason, count)| Some((reason.clone(), count.as_u64()?)));
        exits.insert(name.unwrap_or_default().to_owned(), counts.collect());
    }
    Ok(exits)
}

/// How often the partition `name` has exited for `reason` between the two.
pub fn count(before: &Exits, after: &Exits, name: &str, reason: &str) -> u64 {
    let at = |exits: &Exits| exits.get(name).and_then(|all| all.get(reason)).copied();
    at(after)
        .unwrap_or(0)
        .saturating_sub(at(before).unwrap_or(0))
}

/// For what else than `allowed` it has.
pub fn others(before: &Exits, after: &Exits, name: &str, allowed: &str) -> BTreeMap<String, u64> {
    let reasons = after.get(name).into_iter().flat_map(BTreeMap::keys);
    let counts = reasons.map(|reason| (reason.clone(), count(before, after, name, reason)));
    counts
        .filter(|(reason, count)| reason != allowed && *count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_come_meanwhile_counts() {
        let line = |cpuid: u64, icr: u64| {
            format!(r#"{{"name":"a","exits":{{"cpuid":{cpuid},"icr-write":{icr},"init":0}}}}"#)
        };
        let before = parse(&line(5, 1)).unwrap();
        let after = parse(&line(5, 4)).unwrap();
        assert_eq!(count(&before, &after, "a", "icr-write"), 3);
        assert!(others(&before, &after, "a", "icr-write").is_empty());
        let later = parse(&line(7, 4)).unwrap();
        let found = others(&before, &later, "a", "icr-write");
        assert_eq!(found, BTreeMap::from([("cpuid".to_owned(), 2)]));
    }
}
