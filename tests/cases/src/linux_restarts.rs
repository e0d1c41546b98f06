//! A stock Linux that reboots, or whose kernel crashes, is followed by another one that works
//! with its virtual function as the first did, while a neighbour's checksummed I/O goes on
//! without an error and without an exit.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::{Bench, Check, Emulator, Event, Message};

/// Five Linux boots, three of them side by side, on a slow machine.
const LIMIT: Duration = Duration::from_secs(240);
/// How often each of the two is to have begun: it has been restarted so often less once.
const LIVES: u32 = 2;

const PLAN: &str = r#"
version = 2
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
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
command_line = "console=ttyS0 quiet bulkhead.mode=io-reboot"

[[partition]]
name = "gamma"
cores = [3]
memory = [{ start = "0x38000000", size = "256M" }]
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet panic=-1 bulkhead.functions=0 bulkhead.mode=crash"
"#;

/// What the partitions have said.
#[derive(Debug, Default)]
struct Seen {
    /// Alpha's reports of its I/O.
    alpha: u32,
    /// Beta's, one in each life.
    beta: u32,
    /// The crashes that gamma's program announced.
    gamma: u32,
    /// The starts that followed an end.
    restarts: u32,
    /// The first thing that is not as it should be.
    wrong: Option<String>,
}

impl Seen {
    fn take(&mut self, message: &Message) {
        match message {
            Message::Check { partition, check } if check.name == "io" => {
                self.take_report(partition, check);
            }
            Message::Console { partition, text }
                if partition == "gamma" && text == "guest-init: crash" =>
            {
                self.gamma = self.gamma.saturating_add(1);
            }
            Message::Event(Event::Started { .. }) => {
                self.restarts = self.restarts.saturating_add(1);
            }
            Message::Event(Event::Stopped { name, cause, .. })
                if name == "alpha" || cause != "reboot" =>
            {
                self.wrong = Some(format!("{name} ended by {cause}"));
            }
            Message::Event(Event::Failed { name, why }) => {
                self.wrong = Some(format!("{name} failed: {why}"));
            }
            _ => {}
        }
    }

    fn take_report(&mut self, partition: &str, check: &Check) {
        let exits = check.values.get("exits").and_then(|exits| exits.as_u64());
        if !check.ok || exits != Some(0) {
            self.wrong = Some(format!("I/O of {partition}: {:?}", check.values));
        }
        let count = if partition == "alpha" {
            &mut self.alpha
        } else {
            &mut self.beta
        };
        *count = count.saturating_add(1);
    }

    fn is_enough(&self) -> bool {
        self.beta >= LIVES && self.gamma >= LIVES
    }
}

/// Both restart beside `alpha`.
pub fn beside_a_busy_neighbour(bench: &Bench) -> Result<()> {
    let mut emulator = bench.start(&bench.machine_with_nvme()?, PLAN)?;
    let seen = listen(&mut emulator)?;
    ensure!(seen.wrong.is_none(), "{:?}", seen.wrong);
    ensure!(seen.restarts >= 2, "{seen:?}");
    ensure!(seen.alpha >= 2, "alpha did not work all the time: {seen:?}");
    Ok(())
}

fn listen(emulator: &mut Emulator) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut reports_then = None;
    emulator.wait_for("two lives of beta and gamma", LIMIT, |message| {
        seen.take(message);
        if seen.is_enough() {
            // One more report of alpha's must come after the last new life.
            let then = *reports_then.get_or_insert(seen.alpha);
            return (seen.alpha > then).then_some(());
        }
        seen.wrong.is_some().then_some(())
    })?;
    Ok(seen)
}
