//! What QEMU does to the machine by its qtest protocol, behind the back of the software in it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::{Context, Result};
use harness::{Bench, Machine};

/// A connection to it.
pub struct Qtest(BufReader<UnixStream>);

impl Qtest {
    /// Makes `machine` listen for one.
    pub fn prepare(bench: &Bench, machine: &mut Machine) {
        let server = format!("unix:{},server=on,wait=off", socket(bench).display());
        machine.extra.extend(["-qtest".to_owned(), server]);
        let quiet = ["-qtest-log", "none"];
        machine.extra.extend(quiet.map(str::to_owned));
    }

    /// Connects to the machine that was started.
    pub fn connect(bench: &Bench) -> Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(socket(bench))?)))
    }

    /// Writes 16 bits at a host-physical address.
    pub fn write16(&mut self, address: u64, value: u16) -> Result<()> {
        self.ask(&format!("writew {address:#x} {value:#x}"))?;
        Ok(())
    }

    /// Reads 16 bits at a host-physical address.
    pub fn read16(&mut self, address: u64) -> Result<u16> {
        let answer = self.ask(&format!("readw {address:#x}"))?;
        let digits = answer.strip_prefix("0x").context("no number")?;
        Ok(u16::from_str_radix(digits.trim_start_matches('0'), 16).unwrap_or(0))
    }

    fn ask(&mut self, command: &str) -> Result<String> {
        writeln!(self.0.get_mut(), "{command}")?;
        let mut answer = String::new();
        self.0.read_line(&mut answer)?;
        let value = answer.strip_prefix("OK");
        let value = value.with_context(|| format!("QEMU answers {answer}"))?;
        Ok(value.trim().to_owned())
    }
}

fn socket(bench: &Bench) -> PathBuf {
    bench.folder.join("qtest")
}
