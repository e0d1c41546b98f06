//! Bulkhead's own address space, seen from outside: nothing in it is both writable and
//! executable, address 0 is not mapped, every stack ends at a page that is not, and what only the
//! boot needed is gone.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Emulator};
use object::{Object, ObjectSymbol};

use crate::outside::{self, PAGE_BYTES, Registers};
use crate::plans::{self, Guest};
use crate::transcript::Transcript;

/// The housekeeping core, and the core of a partition that has stopped.
const ROOT_MODE_CORES: [u32; 2] = [0, 2];
/// Bulkhead's stacks are smaller than this.
const MOST_STACK_PAGES: u64 = 16;
/// Write protection holds in root mode too (`CR0.WP`), and no-execute means something
/// (`EFER.NXE`).
const WRITE_PROTECT: u64 = 1 << 16;
const NO_EXECUTE_ENABLE: u64 = 1 << 11;
/// Where the seven interrupt stacks are in a task state segment, in bytes (AMD APM
/// 24593-3.42, volume 2, section 12.2.5 "64-Bit Task State Segment").
const INTERRUPT_STACKS_OFFSET: u64 = 36;
const INTERRUPT_STACKS: usize = 7;
/// Where Bulkhead's code begins.
const CODE: u64 = 0x20_0000;
/// A function that boot only runs, and what it is overwritten with: INT3.
const BOOT_FUNCTION: &str = "kernel_main";
const OVERWRITTEN: u64 = 0xcccc_cccc_cccc_cccc;

/// A range of addresses that are mapped one after another with the same rights.
#[derive(Debug, Clone, Copy)]
struct Mapped {
    start: u64,
    end: u64,
}

/// While a guest runs and another has stopped, the page tables of all cores in root mode are
/// looked at.
pub fn is_never_writable_and_executable(bench: &Bench) -> Result<()> {
    let guests = [Guest::alpha("spin"), Guest::beta("hello").with_cores(&[2])];
    let mut emulator = plans::start(bench, &guests)?;
    Transcript::until_stop(&mut emulator, "beta")?;
    let past = address_of(&bench.kernel, BOOT_FUNCTION)?;
    for core in ROOT_MODE_CORES {
        look(&mut emulator, core, past).with_context(|| format!("core {core}"))?;
    }
    let words = emulator.monitor()?.read_physical(past, 1)?;
    ensure!(words == [OVERWRITTEN], "{BOOT_FUNCTION} is {words:x?}");
    Ok(())
}

/// The address of the function `name` in the ELF file `kernel`.
fn address_of(kernel: &Path, name: &str) -> Result<u64> {
    let bytes = fs::read(kernel).with_context(|| format!("reading {}", kernel.display()))?;
    let symbol = object::File::parse(&*bytes)?
        .symbol_by_name(name)
        .map(|symbol| symbol.address());
    symbol.with_context(|| format!("the kernel has no function {name}"))
}

/// `past` is the address of something that only the boot needed.
fn look(emulator: &mut Emulator, core: u32, past: u64) -> Result<()> {
    let registers = Registers::read(emulator, core)?;
    ensure!(registers.number("CR0=")? & WRITE_PROTECT != 0, "CR0.WP");
    let no_execute = registers.number("EFER=")? & NO_EXECUTE_ENABLE;
    ensure!(no_execute != 0, "EFER.NXE");
    ensure_rights(&outside::ask(emulator, core, "info tlb")?)?;

    let mapped = parse_ranges(&outside::ask(emulator, core, "info mem")?);
    let finds = |address| find(&mapped, address).is_some();
    ensure!(finds(CODE), "the code is not mapped: {mapped:x?}");
    ensure!(!finds(0), "address 0 is mapped");
    ensure!(!finds(past), "the boot's text is mapped: {mapped:x?}");
    ensure_guarded(&mapped, registers.number("RSP=")?)?;
    for top in interrupt_stacks(emulator, &registers)? {
        ensure_guarded(&mapped, top.saturating_sub(1))?;
    }
    Ok(())
}

/// Reads lines like `0000000000200000: 0000000000200000 ---DA---W`, a letter for a bit that
/// is set: X for no-execute first, W for writable last.
fn ensure_rights(text: &str) -> Result<()> {
    let (mut code, mut data) = (0_u32, 0_u32);
    for line in text.lines() {
        let flags = line.split_whitespace().nth(2);
        let flags = flags.with_context(|| format!("`info tlb` said: {line}"))?;
        match (flags.starts_with('X'), flags.ends_with('W')) {
            (false, true) => anyhow::bail!("writable and executable: {line}"),
            (false, false) => code = code.saturating_add(1),
            (true, true) => data = data.saturating_add(1),
            (true, false) => {}
        }
    }
    ensure!(code > 0 && data > 0, "no code or no data: {text}");
    Ok(())
}

/// Reads lines like `0000000000001000-000000000009f000 000000000009e000 -rw`. QEMU tells
/// ranges with other rights apart; here only their ends count, so what touches is joined.
fn parse_ranges(text: &str) -> Vec<Mapped> {
    let mut ranges: Vec<Mapped> = Vec::new();
    for line in text.lines() {
        let Some((start, rest)) = line.split_once('-') else {
            continue;
        };
        let end = rest.split_whitespace().next().unwrap_or_default();
        let number = |text| u64::from_str_radix(text, 16);
        let (Ok(start), Ok(end)) = (number(start), number(end)) else {
            continue;
        };
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(Mapped { start, end }),
        }
    }
    ranges
}

fn find(mapped: &[Mapped], address: u64) -> Option<&Mapped> {
    mapped
        .iter()
        .find(|range| (range.start..range.end).contains(&address))
}

/// The stack that `address` is in ends, not far below, where nothing is mapped.
fn ensure_guarded(mapped: &[Mapped], address: u64) -> Result<()> {
    let range = find(mapped, address);
    let range = range.with_context(|| format!("the stack at {address:#x} is not mapped"))?;
    let bytes = address.saturating_sub(range.start);
    ensure!(
        bytes < MOST_STACK_PAGES.saturating_mul(PAGE_BYTES),
        "nothing guards the stack at {address:#x}: mapped from {:#x} on",
        range.start
    );
    Ok(())
}

/// The tops of the stacks that exceptions of their own have.
fn interrupt_stacks(emulator: &mut Emulator, registers: &Registers) -> Result<Vec<u64>> {
    // The selector comes first, then the base.
    let segment = registers.word("TR =", 1)?;
    let address = segment.saturating_add(INTERRUPT_STACKS_OFFSET);
    let mut tops = emulator
        .monitor()?
        .read_physical(address, INTERRUPT_STACKS)?;
    tops.retain(|top| *top != 0);
    ensure!(!tops.is_empty(), "no exception has a stack of its own");
    Ok(tops)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_writable_and_executable_is_found() {
        let good = "0000000000200000: 0000000000200000 ----A----\n\
                    0000000000300000: 0000000000300000 X--DA---W\n";
        assert!(ensure_rights(good).is_ok());
        let bad = format!("{good}0000000000400000: 0000000000400000 ---DA---W\n");
        assert!(ensure_rights(&bad).is_err());
        assert!(ensure_rights("").is_err());
    }

    #[test]
    fn ranges_that_touch_are_one_and_a_hole_guards() {
        let text = "0000000000001000-0000000000200000 00000000001ff000 -rw\n\
                    0000000000200000-0000000000251000 0000000000051000 -r-\n\
                    0000000000252000-0000000000300000 00000000000ae000 -rw\n";
        let mapped = parse_ranges(text);
        assert_eq!(mapped.len(), 2);
        assert!(ensure_guarded(&mapped, 0x25_4000).is_ok());
        assert!(ensure_guarded(&mapped, 0x24_0000).is_err());
        assert!(ensure_guarded(&mapped, 0x25_1000).is_err());
    }
}
