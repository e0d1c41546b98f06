//! The user's tool on the management channel: two stock Linux kernels are listed, stopped and
//! restarted, by the power button and by force, started, and typed at, while a third one's
//! checksummed I/O goes on without an error and without an exit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Check, Emulator, Machine, Message};
use serde_json::Value;

use crate::plans::{self, Guest};
use crate::watch::Watch;

/// Some Linux boots, side by side, on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(240);

/// How many seconds a kernel has for switching itself off: more than it takes on the slowest
/// machine, so that none is forced.
const WITHIN: &str = "240";

/// `alpha` and `beta` work with a disk each, `gamma` listens to what is typed.
fn plan(machine: &Machine) -> String {
    let works = |guest: Guest| guest.with_argument("bulkhead.mode=io");
    let alpha = works(Guest::linux("alpha", &[1], (plans::ALPHA_START, 512)));
    let beta = works(Guest::linux("beta", &[2], (0x2800_0000, 256)));
    let gamma = Guest::linux("gamma", &[3], (0x3800_0000, 256)).without_serial_console();
    let guests = [
        alpha.with_virtual_function(1),
        beta.with_virtual_function(2),
        gamma.with_argument("bulkhead.functions=0 bulkhead.mode=echo"),
    ];
    plans::with_management(&plans::source(machine, &guests), "0x2f8")
}

/// The tool, and where it finds the machine.
pub struct Tool {
    program: PathBuf,
    address: String,
}

impl Tool {
    pub fn of(bench: &Bench, emulator: &Emulator) -> Result<Self> {
        let path = emulator.channel_socket().path();
        let path = path.context("the channel has no path")?;
        Ok(Self {
            program: bench.tool.clone(),
            address: format!("unix:{}", Path::display(path)),
        })
    }

    /// Runs `bulkhead ctl` with these arguments and this input.
    pub fn run(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .args(["ctl", "--json", "--timeout", "60", "--to", &self.address])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the tool")?;
        let mut stdin = child.stdin.take().context("the tool has no input")?;
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        Ok(child.wait_with_output()?)
    }

    /// Runs it; it must succeed.
    pub fn succeed(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments, "")?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}{errors}");
        Ok(said)
    }

    /// Whether a partition is in this state and stopped last for this reason.
    fn check(&self, partition: &str, state: &str, cause: Option<&str>) -> Result<()> {
        let list: Value = serde_json::from_str(&self.succeed(&["list"])?)?;
        let partitions = list.get("partitions").and_then(Value::as_array);
        let mut named = partitions.into_iter().flatten();
        let found = named.find(|one| one.get("name").is_some_and(|name| name == partition));
        let found = found.with_context(|| format!("{partition} is not in {list}"))?;
        ensure!(found["state"] == state, "{found}");
        let last = &found["last_stop"];
        ensure!(
            last.get("cause").and_then(Value::as_str) == cause,
            "{found}"
        );
        Ok(())
    }
}

/// All of it in one run.
pub fn by_the_tool(bench: &Bench) -> Result<()> {
    let machine = bench.machine_with_nvme()?;
    let mut emulator = bench.start(&machine, &plan(&machine))?;
    await_report(&mut emulator, "alpha")?;
    await_report(&mut emulator, "beta")?;
    let tool = Tool::of(bench, &emulator)?;
    tool.check("beta", "running", None)?;
    tool.succeed(&["stop", "beta", "--within", WITHIN])?;
    tool.check("beta", "stopped", Some("poweroff"))?;
    tool.succeed(&["start", "beta"])?;
    await_report(&mut emulator, "beta")?;
    tool.succeed(&["restart", "beta", "--within", WITHIN])?;
    await_report(&mut emulator, "beta")?;
    tool.check("beta", "running", Some("poweroff"))?;
    tool.succeed(&["stop", "beta", "--force"])?;
    tool.check("beta", "stopped", Some("administrator"))?;
    type_at_gamma(&mut emulator, &tool)?;
    await_report(&mut emulator, "alpha")
}

/// What is typed by the tool reaches gamma's program through the driver of a stock kernel, and
/// what that says comes out, without an exit: the program counts.
fn type_at_gamma(emulator: &mut Emulator, tool: &Tool) -> Result<()> {
    let typed = tool.run(&["console", "gamma"], "uname -a\nend\n")?;
    ensure!(typed.status.success(), "{typed:?}");
    for line in ["typed: uname -a", "typed: end"] {
        emulator.wait_for_text(line, LIMIT)?;
    }
    let is_exitless = emulator.wait_for("the echo's count", LIMIT, |message| match message {
        Message::Check { check, .. } if check.name == "echo" => Some(is_undisturbed(check)),
        _ => None,
    })?;
    ensure!(is_exitless, "the echo made exits");
    emulator.wait_for_event("gamma's end", LIMIT, |event| {
        matches!(event, harness::Event::Stopped { name, .. } if name == "gamma").then_some(())
    })
}

/// Waits for a report of the I/O of `partition`. Alpha's must all be without error and exit.
pub fn await_report(emulator: &mut Emulator, partition: &str) -> Result<()> {
    let mut watch = Watch::default();
    emulator.wait_for("report of I/O", LIMIT, |message| {
        watch.take(message);
        let is_awaited = matches!(
            message,
            Message::Check { partition: who, check } if check.name == "io" && who == partition
        );
        (is_awaited || !watch.wrong.is_empty()).then_some(())
    })?;
    ensure!(watch.wrong.is_empty(), "{:?}", watch.wrong);
    Ok(())
}

fn is_undisturbed(check: &Check) -> bool {
    let exits = check.values.get("exits").and_then(Value::as_u64);
    check.ok && exits == Some(0)
}
