//! What the harness sees of the machine from outside, whatever the software in it says.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Emulator};
use serde_json::json;

/// Memory below 4 GiB of the example machine.
const RAM_END: u64 = 0x8000_0000;
/// How far below that the boot module may be.
const MODULE_SEARCH_BYTES: u64 = 64 << 20;
/// The configuration space of the NVMe physical function 02:00.0, where SeaBIOS puts it.
const PHYSICAL_FUNCTION: u64 = 0xb020_0000;
/// Its SR-IOV capability, and in it the register pair of the first virtual function's BAR 0 (PCI
/// Express Base Specification 6.0, section 9.3.3 "SR-IOV Extended Capability").
pub const SINGLE_ROOT_IO: u64 = PHYSICAL_FUNCTION + 0x120;
const VIRTUAL_FUNCTION_BAR: u64 = 0x24;
/// The low bits of a BAR that are no address, and the size of a virtual function's.
const BAR_FLAGS: u64 = 0xf;
const BAR_BYTES: u64 = 0x4000;
/// How a bundle starts.
const MODULE_MAGIC: &[u8] = b"BLKHBNDL";
/// Page table entries without the bits that the processor itself sets: accessed and dirty.
const SET_BY_SOFTWARE: u64 = !(1 << 5 | 1 << 6);

/// The size of a page, which everything here is counted in.
pub const PAGE_BYTES: u64 = 4096;

/// `bytes` bytes of physical memory from `address` on.
pub fn memory(bench: &Bench, emulator: &mut Emulator, address: u64, bytes: u64) -> Result<Vec<u8>> {
    let file = bench.folder.join("memory.dump");
    let arguments = json!({"val": address, "size": bytes, "filename": file});
    emulator.monitor()?.execute("pmemsave", &arguments)?;
    let dump = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    fs::remove_file(&file)?;
    Ok(dump)
}

/// How often `word` is in physical memory, in `bytes` bytes from `start` on.
pub fn count_words(
    bench: &Bench,
    emulator: &mut Emulator,
    (start, bytes): (u64, u64),
    word: u64,
) -> Result<u64> {
    let dump = memory(bench, emulator, start, bytes)?;
    let (words, _) = dump.as_chunks::<8>();
    let found = words.iter().filter(|one| **one == word.to_le_bytes());
    Ok(u64::try_from(found.count())?)
}

/// Holds the disk `name`, in QEMU's words, to so many transfers a second; 0 lets it go.
pub fn slow_down(emulator: &mut Emulator, name: &str, transfers_a_second: u32) -> Result<()> {
    let limits = json!({
        "device": name, "iops": transfers_a_second,
        "iops_rd": 0, "iops_wr": 0, "bps": 0, "bps_rd": 0, "bps_wr": 0,
    });
    let monitor = emulator.monitor()?;
    monitor.execute("block_set_io_throttle", &limits).map(drop)
}

/// Where the boot loader has put the boot module.
pub fn module(bench: &Bench, emulator: &mut Emulator) -> Result<u64> {
    let start = RAM_END.saturating_sub(MODULE_SEARCH_BYTES);
    let dump = memory(bench, emulator, start, MODULE_SEARCH_BYTES)?;
    let mut pages = dump.chunks(usize::try_from(PAGE_BYTES)?);
    let page = pages.position(|page| page.starts_with(MODULE_MAGIC));
    let page = u64::try_from(page.context("there is no boot module in memory")?)?;
    Ok(start.saturating_add(page.saturating_mul(PAGE_BYTES)))
}

/// Where the machine has the registers of NVMe virtual function `number`, counted from 1.
pub fn registers_of(emulator: &mut Emulator, number: u64) -> Result<u64> {
    let at = SINGLE_ROOT_IO.saturating_add(VIRTUAL_FUNCTION_BAR);
    let words = emulator.monitor()?.read_physical(at, 1)?;
    let first = words.first().context("no word")? & !BAR_FLAGS;
    ensure!(first >= RAM_END, "the BAR is at {first:#x}");
    let index = number.saturating_sub(1);
    Ok(first.saturating_add(index.saturating_mul(BAR_BYTES)))
}

/// A page table's entries, without what the processor writes there by itself.
pub fn table(emulator: &mut Emulator, address: u64) -> Result<Vec<u64>> {
    let mut entries = emulator.monitor()?.read_physical(address, 512)?;
    entries
        .iter_mut()
        .for_each(|entry| *entry &= SET_BY_SOFTWARE);
    Ok(entries)
}

/// What the human monitor prints for `command` on the core with index `core`.
pub fn ask(emulator: &mut Emulator, core: u32, command: &str) -> Result<String> {
    let arguments = json!({"command-line": command, "cpu-index": core});
    let answer = emulator
        .monitor()?
        .execute("human-monitor-command", &arguments)?;
    let text = answer.as_str().context("the answer is not text")?;
    Ok(text.replace('\r', ""))
}

/// The registers of one core.
#[derive(Debug, Clone)]
pub struct Registers(String);

impl Registers {
    /// Reads them.
    pub fn read(emulator: &mut Emulator, core: u32) -> Result<Self> {
        ask(emulator, core, "info registers").map(Self)
    }

    /// The first number after `name`, in `info registers`' words.
    pub fn number(&self, name: &str) -> Result<u64> {
        self.word(name, 0)
    }

    /// The number that stands so many words behind the first one after `name`: a segment's
    /// base follows its selector.
    pub fn word(&self, name: &str, index: usize) -> Result<u64> {
        let missing = || format!("`info registers` has no {name}: {}", self.0);
        let (_, rest) = self.0.split_once(name).with_context(missing)?;
        let word = rest.split_whitespace().nth(index).with_context(missing)?;
        u64::from_str_radix(word, 16).with_context(missing)
    }
}

/// The page table that a core uses: Bulkhead's own while it is in root mode, a guest's else.
pub fn level_4_table(emulator: &mut Emulator, core: u32) -> Result<u64> {
    Registers::read(emulator, core)?.number("CR3=")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_are_read_by_name_and_place() {
        let text = "RSI=00 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n\
                    TR =0018 0000000000252390 00000067 00008900 DPL=0 TSS64-avl\n\
                    CR0=80010011 CR3=0000000000400000 CR4=00000060\n";
        let registers = Registers(text.to_owned());
        assert_eq!(registers.number("HLT=").unwrap(), 1);
        assert_eq!(registers.number("CR3=").unwrap(), 0x40_0000);
        assert_eq!(registers.word("TR =", 1).unwrap(), 0x25_2390);
        assert!(registers.number("CR9=").is_err());
    }
}
