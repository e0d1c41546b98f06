//! The firmware's table SPCR names the management channel's line, or the console's, where the
//! plan leaves it to the firmware. A table that is absent or of no use is said, and costs the
//! line alone.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Emulator, Machine, Message};
use mgmt_proto::{Answer, Request};

use crate::plans::{self, Guest};
use crate::transcript::LIMIT;

const SYSTEM_IO: u8 = 1;
const BAUD_9600: u8 = 3;
const BAUD_115200: u8 = 7;
/// The ports of the machine's first and second 16550.
const FIRST: u64 = 0x3f8;
const SECOND: u64 = 0x2f8;

/// What an SPCR says of its line.
struct Table {
    interface: u8,
    address_space: u8,
    port: u64,
    baud_rate: u8,
}

/// A 16550 at I/O ports, on the second line.
const GOOD: Table = Table {
    interface: 0,
    address_space: SYSTEM_IO,
    port: SECOND,
    baud_rate: BAUD_115200,
};

impl Table {
    /// The table behind its header, in revision 2 (Microsoft, Serial Port Console Redirection
    /// Table).
    fn body(&self) -> Vec<u8> {
        let mut body = vec![self.interface, 0, 0, 0, self.address_space, 8, 0, 1];
        body.extend(self.port.to_le_bytes());
        // No interrupt.
        body.extend([0; 6]);
        body.push(self.baud_rate);
        body.extend([0; 21]);
        body
    }
}

/// Without a table the channel is missing, and the console stays where it is.
pub fn absent(bench: &Bench) -> Result<()> {
    let machine = bench.machine();
    let plan = source(&machine, "console", "spcr");
    let mut emulator = bench.start(&machine, &plan)?;
    let said = what_is_said_of(&mut emulator, "console")?;
    ensure!(
        said == "the console stays at 0x3f8: the firmware has no ACPI table SPCR",
        "{said}"
    );
    drop(emulator);
    ensure_said(bench, &machine, "the firmware has no ACPI table SPCR")
}

/// The table names the channel's line.
pub fn names_the_channel(bench: &Bench) -> Result<()> {
    let machine = with_table(bench, &GOOD.body())?;
    let emulator = bench.start(&machine, &source(&machine, "management", "spcr"))?;
    let reply = emulator.channel()?.ask(&Request::Hello)?;
    ensure!(
        matches!(reply.answer(), Answer::Hello(_)),
        "{:?}",
        reply.answer()
    );
    Ok(())
}

/// The table names the console's line: what was on the first one goes on on the second.
pub fn names_the_console(bench: &Bench) -> Result<()> {
    let machine = with_table(bench, &GOOD.body())?;
    let emulator = bench.start(&machine, &source(&machine, "console", "spcr"))?;
    emulator.channel()?.listen_for("[alpha] PASS hello")
}

/// A table that names something else, or the console's line, or ends early.
pub fn unusable(bench: &Bench) -> Result<()> {
    let mut short = GOOD.body();
    short.truncate(22);
    let interface = Table {
        interface: 3,
        ..GOOD
    };
    let in_memory = Table {
        address_space: 0,
        ..GOOD
    };
    let slow = Table {
        baud_rate: BAUD_9600,
        ..GOOD
    };
    let at = |port| Table { port, ..GOOD }.body();
    for (body, why) in [
        (short, "it ends early"),
        (interface.body(), "its interface 0x3 is no 16550"),
        (in_memory.body(), "it is in address space 0"),
        (slow.body(), "its baud rate, number 3"),
        (at(0x1_02f8), "no 16550 can be at port 0x102f8"),
        (at(FIRST), "the ports from 0x3f8 on are the console's"),
        (at(0xd000), "there is no 16550 at 0xd000"),
    ] {
        ensure_said(bench, &with_table(bench, &body)?, why).with_context(|| why)?;
    }
    Ok(())
}

/// There is no channel, for `why`; the partition runs all the same.
fn ensure_said(bench: &Bench, machine: &Machine, why: &str) -> Result<()> {
    let plan = source(machine, "management", "spcr");
    let mut emulator = bench.start(machine, &plan)?;
    let said = what_is_said_of(&mut emulator, "management channel")?;
    let begins = said.starts_with("no management channel: ");
    ensure!(begins && said.contains(why), "{said}");
    emulator.wait_for_text("PASS hello", LIMIT).map(drop)
}

/// Bulkhead's first line with `word` in it.
fn what_is_said_of(emulator: &mut Emulator, word: &str) -> Result<String> {
    emulator.wait_for(word, LIMIT, |message| match message {
        Message::Text(text) if text.contains(word) => Some(text.clone()),
        _ => None,
    })
}

/// A plan with one bare guest, and this key of the machine's.
fn source(machine: &Machine, key: &str, value: &str) -> String {
    let source = plans::source(machine, &[Guest::alpha("hello")]);
    let console = "console = \"0x3f8\"\n";
    let line = format!("{key} = \"{value}\"\n");
    let line = if key == "console" {
        line
    } else {
        line + console
    };
    source.replacen(console, &line, 1)
}

/// QEMU's machine with an SPCR that has this body.
fn with_table(bench: &Bench, body: &[u8]) -> Result<Machine> {
    let file = bench.folder.join("spcr.bin");
    fs::write(&file, body).with_context(|| format!("writing {}", file.display()))?;
    let option = format!("sig=SPCR,rev=2,data={}", file.display());
    Ok(Machine {
        extra: vec!["-acpitable".to_owned(), option],
        ..bench.machine()
    })
}
