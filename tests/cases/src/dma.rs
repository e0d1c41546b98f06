//! A function's DMA reaches its own partition's memory and nothing else.
//!
//! A first run finds out where Bulkhead's tables and its boot module are; in a second run of
//! the same shape the attacker aims at them. The memory is looked at from outside.

use anyhow::{Context, Result, ensure};
use harness::{Bench, Emulator};

use crate::outside::{self, PAGE_BYTES};
use crate::plans::{self, BETA_START, Guest};
use crate::transcript::Transcript;

/// A small partition in low memory: what it aims at must lie above its own addresses, and
/// Bulkhead's tables come to lie right above its memory.
const ALPHA_START: u64 = 0x40_0000;
const ALPHA_MEBIBYTES: u64 = 16;
const ALPHA_BYTES: u64 = ALPHA_MEBIBYTES << 20;
/// What the attacker has right behind its memory: its configuration space, and behind that and
/// the console's BAR the registers of its own function.
const OWN_CONFIGURATION: u64 = ALPHA_BYTES;
const OWN_REGISTERS: u64 = ALPHA_BYTES + 0x10_4000;
/// The number of the neighbour's virtual function.
const NEIGHBOUR: u16 = 2;
/// Pages of the neighbour's memory: one that nobody uses, and one with its ACPI tables.
const EMPTY_PAGE: u64 = BETA_START + 0x200_0000;
const TABLES_PAGE: u64 = BETA_START + 0xe_0000;
/// Where Bulkhead's code and constants begin, and about how many bytes of them are compared.
const KERNEL_START: u64 = 0x20_0000;
const KERNEL_BYTES: u64 = 0x4_0000;
/// "Write not permitted" and "read not permitted" (Intel VT-d, D51397-018, revision 5.10,
/// section 7.1.3 "Fault Conditions and Remapping Hardware Behavior for Various Requests").
const WRITE_FAULT: u64 = 5;
const READ_FAULT: u64 = 6;

/// What must not change, and where that is.
#[derive(Debug, PartialEq, Eq)]
struct Protected {
    level_4_table: u64,
    module: u64,
    neighbour_registers: u64,
    kernel: Vec<u8>,
    level_4_entries: Vec<u64>,
    neighbour_tables: Vec<u8>,
    neighbour_empty: Vec<u8>,
}

impl Protected {
    fn look(bench: &Bench, emulator: &mut Emulator) -> Result<Self> {
        let level_4_table = outside::level_4_table(emulator, 0)?;
        Ok(Self {
            level_4_table,
            module: outside::module(bench, emulator)?,
            neighbour_registers: outside::registers_of(emulator, NEIGHBOUR.into())?,
            kernel: outside::memory(bench, emulator, KERNEL_START, KERNEL_BYTES)?,
            level_4_entries: outside::table(emulator, level_4_table)?,
            neighbour_tables: outside::memory(bench, emulator, TABLES_PAGE, PAGE_BYTES)?,
            neighbour_empty: outside::memory(bench, emulator, EMPTY_PAGE, PAGE_BYTES)?,
        })
    }

    fn targets(&self) -> [u64; 7] {
        [
            OWN_CONFIGURATION,
            OWN_REGISTERS,
            self.neighbour_registers,
            TABLES_PAGE,
            EMPTY_PAGE,
            self.level_4_table,
            // The second page: the first holds the bundle's header and is small.
            self.module.saturating_add(PAGE_BYTES),
        ]
    }
}

/// The function's admin queues and data buffer are pointed at the neighbour's memory and
/// registers, its own registers, Bulkhead's own page table and its boot module: nothing there changes, and every target has
/// a read fault and a write fault that are charged to the attacker's partition.
pub fn reaches_own_memory_only(bench: &Bench) -> Result<()> {
    let before = scout(bench)?;
    let targets = before.targets();
    let reachable = targets.iter().find(|target| **target < ALPHA_BYTES);
    ensure!(
        reachable.is_none(),
        "{reachable:x?} is an address of the attacker's own memory"
    );
    let list = targets.map(|target| format!("{target:#x}")).join(",");
    let mut emulator = plans::start_with_nvme(bench, &guests(&list))?;
    let transcript = Transcript::until_stop(&mut emulator, "alpha")?;
    let after = Protected::look(bench, &mut emulator)?;
    ensure_unchanged(&before, &after)?;
    let bundle = std::fs::read(bench.folder.join("bundle.img"))?;
    let bytes = u64::try_from(bundle.len())?;
    let found = outside::memory(bench, &mut emulator, after.module, bytes)?;
    ensure!(found == bundle, "the boot module has changed");
    let transcript = transcript.and_to_the_end(&mut emulator)?;
    for target in targets {
        ensure_fault(&transcript, target, READ_FAULT)?;
        ensure_fault(&transcript, target, WRITE_FAULT)?;
    }
    transcript.ensure_undisturbed("nvme-dma")
}

/// A run of the same shape, in which the attacker aims at memory that nobody owns.
fn scout(bench: &Bench) -> Result<Protected> {
    let bench = Bench {
        folder: bench.folder.join("scout"),
        ..bench.clone()
    };
    std::fs::create_dir_all(&bench.folder)?;
    let mut emulator = plans::start_with_nvme(&bench, &guests("0x40000000"))?;
    let transcript = Transcript::until_stop(&mut emulator, "alpha")?;
    transcript.ensure_passed("alpha", "nvme-dma")?;
    Protected::look(&bench, &mut emulator)
}

fn guests(targets: &str) -> [Guest; 2] {
    let alpha = Guest::attacker("nvme-dma")
        .with_memory(ALPHA_START, ALPHA_MEBIBYTES)
        .with_virtual_function(1)
        .with_argument(&format!("target={targets}"));
    let beta = Guest::beta("bystander")
        .with_argument("seconds=6")
        .with_virtual_function(NEIGHBOUR);
    [alpha, beta]
}

fn ensure_fault(transcript: &Transcript, target: u64, reason: u64) -> Result<()> {
    let page = |address: u64| address.checked_div(PAGE_BYTES);
    let fault = transcript
        .faults()
        .iter()
        .find(|fault| page(fault.address) == page(target) && fault.reason == reason);
    let fault = fault.with_context(|| {
        let all = transcript.faults();
        format!("no fault {reason} at {target:#x} was told, but {all:x?}")
    })?;
    ensure!(
        fault.partition.as_deref() == Some("alpha") && fault.requester == "02:00.1",
        "charged to the wrong one: {fault:x?}"
    );
    Ok(())
}

/// Compares piece by piece: a whole page in a message helps nobody.
fn ensure_unchanged(before: &Protected, after: &Protected) -> Result<()> {
    let places = |of: &Protected| (of.level_4_table, of.module, of.neighbour_registers);
    ensure!(
        places(before) == places(after),
        "the two runs have different places for things"
    );
    ensure!(before.kernel == after.kernel, "the kernel has changed");
    ensure!(
        before.level_4_entries == after.level_4_entries,
        "Bulkhead's page table has changed"
    );
    ensure!(
        before.neighbour_tables == after.neighbour_tables,
        "the neighbour's ACPI tables have changed"
    );
    let is_clear = |page: &[u8]| page.iter().all(|byte| *byte == 0);
    ensure!(
        is_clear(&after.neighbour_empty) && !is_clear(&after.neighbour_tables),
        "the neighbour's memory is not as it was laid out"
    );
    Ok(())
}
