//! The second-stage tables, walked from outside: what Bulkhead says of them is so, a partition's
//! memory is where the plan has it, and nothing else can be written through them but its own
//! functions' registers.

use anyhow::{Context, Result, ensure};
use harness::message::Tables;
use harness::{Bench, Emulator};

use crate::outside::{self, PAGE_BYTES};
use crate::plans::{self, ALPHA_START, BETA_START, Guest, MEBIBYTES};
use crate::transcript::Transcript;

/// What Bulkhead takes its tables from begins with its own level 4 table, and is this long.
const POOL_BYTES: u64 = 4 << 20;
/// A VMCB's intercepts with that of VMRUN in bit 0, guest ASID, nested paging in bit 0, and
/// nested CR3 (AMD APM 24593-3.42, volume 2, appendix B "VMCB Layout").
const INTERCEPTS: usize = 0x10;
const GUEST_ASID: usize = 0x58;
const NESTED_PAGING: usize = 0x90;
const NESTED_CR3: usize = 0xb0;
/// The one IOMMU's root table address, in its registers, and an entry's size (Intel VT-d,
/// D51397-018, revision 5.10, sections 11.4.5, 9.1 and 9.3).
const ROOT_TABLE_ADDRESS: u64 = 0xfed9_0020;
const ENTRY_BYTES: u64 = 16;
/// The bus and the first virtual function's number there.
const BUS: u64 = 2;
const FIRST_FUNCTION: u64 = 1;
/// In all formats: bits 51:12 are an address, bit 1 allows writes, bit 7 makes a leaf.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = 0b11;
const WRITABLE: u64 = 1 << 1;
const LEAF: u64 = 1 << 7;
/// The levels of a processor's table.
const CPU_LEVELS: u32 = 4;
/// Those of the IOMMU's, for less than 512 GiB; and AW in a context entry's high word, which
/// says so as two less.
const IOMMU_LEVELS: u32 = 3;
const ADDRESS_WIDTH: u64 = 0b111;
/// One past the guests' RAM: behind it they have configuration space and BARs.
const RAM_END: u64 = MEBIBYTES << 20;
const LARGE: u64 = 2 << 20;
/// What a partition with a function takes: a table of each level for its CPUs, and two for the
/// IOMMU.
const MOST_TABLES: u64 = 6;
/// The pages of an NVMe virtual function's BAR, without that of the MSI-X table.
const REGISTER_PAGES: [u64; 3] = [0x0, 0x1000, 0x3000];

/// Some addresses that one leaf maps.
#[derive(Debug, Clone, Copy)]
struct Leaf {
    from: u64,
    to: u64,
    bytes: u64,
    entry: u64,
}

/// Some of the machine's addresses: where they begin, and how many.
type Page = (u64, u64);

/// All leaves of a table, in ascending order, and what the table takes.
#[derive(Debug, Default)]
struct Walked {
    leaves: Vec<Leaf>,
    tables: u64,
}

/// Of a partition with a function and of one without.
pub fn tables_are_as_told(bench: &Bench) -> Result<()> {
    let alpha = Guest::alpha("spin").with_virtual_function(1);
    let beta = Guest::beta("spin").with_cores(&[2]);
    let mut emulator = plans::start_with_nvme(bench, &[alpha, beta])?;
    let transcript = Transcript::until_passed(&mut emulator, 2)?;
    for (space, name, start) in [(1, "alpha", ALPHA_START), (2, "beta", BETA_START)] {
        let told = transcript.partition(name)?;
        let root = nested_table(bench, &mut emulator, space)?;
        let cpu = Walked::new(&mut emulator, root, CPU_LEVELS)?;
        cpu.ensure_told(told.cpu_tables)
            .with_context(|| format!("{name}'s CPU"))?;
        cpu.ensure_memory(start)?;
        let registers = match told.devices.as_slice() {
            [] => Vec::new(),
            _ => register_pages(&mut emulator)?,
        };
        cpu.ensure_confined(&registers, start)?;
    }
    let (alpha, beta) = (
        transcript.partition("alpha")?,
        transcript.partition("beta")?,
    );
    let root = device_table(&mut emulator)?;
    let iommu = Walked::new(&mut emulator, root, IOMMU_LEVELS)?;
    iommu
        .ensure_told(alpha.iommu_tables)
        .context("alpha's IOMMU")?;
    iommu.ensure_memory(ALPHA_START)?;
    ensure!(iommu.bytes() == RAM_END, "DMA reaches more than RAM");
    let bytes = alpha
        .cpu_tables
        .bytes
        .saturating_add(alpha.iommu_tables.bytes);
    ensure!(
        bytes <= MOST_TABLES.saturating_mul(PAGE_BYTES),
        "{bytes} bytes of tables"
    );
    let none = Tables::default();
    ensure!(
        beta.iommu_tables == none,
        "no function, but a table: {beta:?}"
    );
    Ok(())
}

impl Walked {
    fn new(emulator: &mut Emulator, root: u64, levels: u32) -> Result<Self> {
        let mut walked = Self::default();
        walked.walk(emulator, (root & ADDRESS, 0), levels)?;
        Ok(walked)
    }

    fn walk(
        &mut self,
        emulator: &mut Emulator,
        (table, from): (u64, u64),
        level: u32,
    ) -> Result<()> {
        self.tables = self.tables.saturating_add(1);
        let below = level.saturating_sub(1);
        let bytes = PAGE_BYTES << below.saturating_mul(9);
        for (index, entry) in (0_u64..).zip(outside::table(emulator, table)?) {
            let from = from.saturating_add(index.saturating_mul(bytes));
            let to = entry & ADDRESS;
            if entry & PRESENT == 0 {
                continue;
            }
            if below == 0 || entry & LEAF != 0 {
                self.leaves.push(Leaf {
                    from,
                    to,
                    bytes,
                    entry,
                });
            } else {
                self.walk(emulator, (to, from), below)?;
            }
        }
        Ok(())
    }

    /// The leaves of RAM: all others are above.
    fn ram(&self) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(|leaf| leaf.from < RAM_END)
    }

    fn bytes(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.bytes).sum()
    }

    fn ensure_told(&self, told: Tables) -> Result<()> {
        let large = self.ram().filter(|leaf| leaf.bytes >= LARGE);
        let found = Tables {
            bytes: self.tables.saturating_mul(PAGE_BYTES),
            large_leaf_bytes: large.map(|leaf| leaf.bytes).sum(),
        };
        ensure!(found == told, "found {found:?}, told {told:?}");
        Ok(())
    }

    /// The partition's memory, which begins at `start`, is there from address 0 on, in one piece.
    fn ensure_memory(&self, start: u64) -> Result<()> {
        let mut next = 0_u64;
        for leaf in self.ram() {
            let leads_home = leaf.from == next && leaf.to == start.saturating_add(next);
            ensure!(leads_home, "a wrong leaf: {leaf:x?}");
            next = next.saturating_add(leaf.bytes);
        }
        ensure!(next == RAM_END, "RAM ends at {next:#x}");
        Ok(())
    }

    /// Besides RAM only a function's `registers` can be written, each at one place, and the
    /// partition's own memory, where synthetic functions have their doorbells.
    fn ensure_confined(&self, registers: &[Page], start: u64) -> Result<()> {
        let own = start..start.saturating_add(RAM_END);
        let others = self.leaves.iter().filter(|leaf| leaf.from >= RAM_END);
        let writable = others.filter(|leaf| leaf.entry & WRITABLE != 0);
        let foreign = writable.filter(|leaf| !own.contains(&leaf.to));
        let found: Vec<Page> = foreign.map(|leaf| (leaf.to, leaf.bytes)).collect();
        ensure!(found == registers, "{found:x?} and not {registers:x?}");
        Ok(())
    }
}

/// The pages of the first virtual function's registers that its guest reaches by itself.
fn register_pages(emulator: &mut Emulator) -> Result<Vec<Page>> {
    let registers = outside::registers_of(emulator, FIRST_FUNCTION)?;
    let pages = REGISTER_PAGES.map(|offset| (registers.saturating_add(offset), PAGE_BYTES));
    Ok(pages.to_vec())
}

/// The nested table of the guest in this address space.
fn nested_table(bench: &Bench, emulator: &mut Emulator, space: u32) -> Result<u64> {
    let pool = outside::level_4_table(emulator, 0)?;
    let dump = outside::memory(bench, emulator, pool, POOL_BYTES)?;
    let word = |page: &[u8], at: usize| {
        let bytes = page.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    };
    let is_control_block = |page: &&[u8]| {
        word(page, INTERCEPTS).is_some_and(|word| word & 1 != 0)
            && word(page, GUEST_ASID).is_some_and(|word| word as u32 == space)
            && word(page, NESTED_PAGING).is_some_and(|word| word & 1 != 0)
    };
    let mut pages = dump.chunks(usize::try_from(PAGE_BYTES)?);
    let page = pages.find(is_control_block);
    page.and_then(|page| word(page, NESTED_CR3))
        .with_context(|| format!("there is no VMCB with ASID {space}"))
}

/// The table that the first virtual function's requests go through.
fn device_table(emulator: &mut Emulator) -> Result<u64> {
    let mut read = |address| -> Result<u64> {
        let words = emulator.monitor()?.read_physical(address, 1)?;
        words.first().copied().context("no word")
    };
    let entry = |table: u64, index: u64| {
        (table & ADDRESS).saturating_add(index.saturating_mul(ENTRY_BYTES))
    };
    let root = read(ROOT_TABLE_ADDRESS)?;
    let contexts = read(entry(root, BUS))?;
    let context = entry(contexts, FIRST_FUNCTION);
    let table = read(context)?;
    let width = read(context.saturating_add(8))? & ADDRESS_WIDTH;
    ensure!(
        width.saturating_add(2) == u64::from(IOMMU_LEVELS),
        "AW is {width}"
    );
    ensure!(contexts & table & 1 != 0, "the function is not attached");
    Ok(table)
}
