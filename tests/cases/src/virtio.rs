//! The console without exits, driven by bare guests.

use anyhow::{Result, ensure};
use harness::Bench;

use crate::managed::{Console, type_all};
use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// What the hostile guest prints: lines of its own at the 16550, and one on the console that it
/// has attacked. The five zeros are the end of its memory, before buffers that lead out of it.
const HOSTILE_LINES: [&str; 4] = [
    "begins",
    ".....three messages",
    "works",
    "PASS virtio-hostile",
];

/// Ten thousand bytes come out, and what is typed comes in and is announced by an interrupt
/// while the guest is halted, without an exit: the guest counts.
pub fn both_directions_without_exits(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("virtio-console"), Guest::bystander()];
    let mut emulator = plans::start_managed(bench, &guests)?;
    let mut channel = emulator.channel()?;
    let mut console = Console::default();
    let said = console.read_up_to(&mut channel, "type\r\n")?;
    ensure!(said.len() == 10_006, "{} bytes came out", said.len());
    type_all(&mut channel, b"ls -l\n")?;
    let said = console.read_up_to(&mut channel, "typed: ls -l\r\n")?;
    ensure!(said == "typed: ls -l\r\n", "{said}");
    // More than one buffer of the guest's holds.
    let lines: Vec<_> = (0..50_u32).map(|number| format!("line {number}")).collect();
    type_all(&mut channel, (lines.join("\n") + "\nend\n").as_bytes())?;
    let said = console.read_up_to(&mut channel, "typed: end\r\n")?;
    let echoes = lines.iter().map(|line| format!("typed: {line}\r\n"));
    let expected = echoes.collect::<String>() + "typed: end\r\n";
    ensure!(said == expected, "{said}");
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "virtio-console")?;
    transcript.ensure_passed("beta", "bystander")?;
    transcript.ensure_denied("alpha", 0)
}

/// A driver that puts what cannot be into its rings and registers costs nobody anything: the
/// device asks for a reset each time, reads and writes nothing that it should not, and the
/// messages for foreign cores are denied.
pub fn hostile_driver(bench: &Bench) -> Result<()> {
    let guests = [Guest::attacker("virtio-hostile"), Guest::bystander()];
    let mut emulator = plans::start(bench, &guests)?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_undisturbed("virtio-hostile")?;
    let said = transcript.lines_of("alpha");
    ensure!(said == HOSTILE_LINES, "{said:?}");
    transcript.ensure_denied("alpha", 3)
}
