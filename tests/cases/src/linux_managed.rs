//! The user's tool on the management channel: two stock Linux kernels are listed, stopped and
//! restarted, by the power button and by force, started, and typed at, while a third one's
//! checksummed I/O goes on without an error and without an exit.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Check, Emulator, Message};
use serde_json::Value;

/// Some Linux boots, side by side, on a slow machine.
pub const LIMIT: Duration = Duration::from_secs(240);

/// How many seconds a kernel has for switching itself off: more than it takes on the slowest
/// machine, so that none is forced.
const WITHIN: &str = "240";

const PLAN: &str = r#"
version = 2
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
management = "0x2f8"
[[machine.function]]
address = "02:00.0"
virtual_functions = 4

[[partition]]
name = "alpha"
cores = [1]
memory = [{ start = "0x8000000", size = "512M" }]
[[partition.function]]
physical = "02:00.0"
virtual = 1
namespace = 2
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.mode=io"

[[partition]]
name = "beta"
cores = [2]
memory = [{ start = "0x28000000", size = "256M" }]
[[partition.function]]
physical = "02:00.0"
virtual = 2
namespace = 3
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.mode=io"

[[partition]]
name = "gamma"
cores = [3]
memory = [{ start = "0x38000000", size = "256M" }]
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.functions=0 bulkhead.mode=echo"
"#;

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
    let mut emulator = bench.start(&bench.machine_with_nvme()?, PLAN)?;
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

/// What is typed by the tool reaches gamma's program through the driver of a stock kernel.
fn type_at_gamma(emulator: &mut Emulator, tool: &Tool) -> Result<()> {
    let typed = tool.run(&["console", "gamma"], "uname -a\nend\n")?;
    ensure!(typed.status.success(), "{typed:?}");
    for line in ["typed: uname -a", "typed: end"] {
        emulator.wait_for_text(line, LIMIT)?;
    }
    emulator.wait_for_event("gamma's end", LIMIT, |event| {
        matches!(event, harness::Event::Stopped { name, .. } if name == "gamma").then_some(())
    })
}

/// Waits for a report of the I/O of `partition`. Alpha's must all be without error and exit.
pub fn await_report(emulator: &mut Emulator, partition: &str) -> Result<()> {
    let mut wrong = None;
    emulator.wait_for("report of I/O", LIMIT, |message| {
        let Message::Check {
            partition: who,
            check,
        } = message
        else {
            return None;
        };
        if check.name == "io" && who == "alpha" && !is_undisturbed(check) {
            wrong = Some(format!("{:?}", check.values));
        }
        (wrong.is_some() || (check.name == "io" && who == partition)).then_some(())
    })?;
    ensure!(wrong.is_none(), "alpha's I/O: {wrong:?}");
    Ok(())
}

fn is_undisturbed(check: &Check) -> bool {
    let exits = check.values.get("exits").and_then(Value::as_u64);
    check.ok && exits == Some(0)
}
