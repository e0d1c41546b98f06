//! The counting plugin: built, told where Bulkhead's code is, and its count read back.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::count::Count;
use harness::serial::Heard;
use harness::{Emulator, Machine};
use object::{Object, ObjectSymbol};

use crate::command;
use crate::paths::Paths;
use crate::progress;
use crate::run::{LISTEN, Prepared};

/// The kernel's first instruction: QEMU enters by the PVH note, not at the ELF's own entry,
/// which is Multiboot2's.
const ENTRY: &str = "pvh_entry";
/// Where the kernel's code starts and ends.
const TEXT: [&str; 2] = ["text_start", "text_end"];
/// How long Bulkhead may take to start a guest while it is counted.
const LIMIT: Duration = Duration::from_secs(120);

/// The plugin, built, with what it must know of the kernel.
#[derive(Debug, Clone)]
pub struct Plugin {
    library: PathBuf,
    kernel: String,
}

impl Plugin {
    /// Builds the plugin and looks at the kernel's symbols.
    pub fn build(paths: &Paths) -> Result<Self> {
        let target = paths.target.join("plugin");
        let mut cargo = command::new("cargo", &paths.root);
        cargo.args(["build", "--quiet", "--release"]);
        cargo.args(["--package", "instruction-count", "--target-dir"]);
        command::run(cargo.arg(&target))?;
        let elf = fs::read(paths.kernel()).context("reading the kernel")?;
        let elf = object::File::parse(&*elf)?;
        let find = |name| {
            let symbol = elf.symbol_by_name(name).map(|symbol| symbol.address());
            symbol.with_context(|| format!("the kernel has no symbol {name}"))
        };
        let [start, end] = TEXT;
        let (entry, start, end) = (find(ENTRY)?, find(start)?, find(end)?);
        Ok(Self {
            library: target.join("release").join("libinstruction_count.so"),
            kernel: format!(",entry={entry:#x},text={start:#x}-{end:#x}"),
        })
    }

    /// Lets `machine`, which starts Bulkhead, count into the file `output`.
    pub fn watch(&self, machine: &mut Machine, output: &Path, options: &str) {
        self.load(machine, output, &format!("{}{options}", self.kernel));
    }

    /// Lets `machine`, which starts something else than Bulkhead, count into `output`.
    pub fn watch_other(&self, machine: &mut Machine, output: &Path, options: &str) {
        self.load(machine, output, options);
    }

    fn load(&self, machine: &mut Machine, output: &Path, options: &str) {
        let (library, output) = (self.library.display(), output.display());
        machine.extra.push("-plugin".to_owned());
        machine
            .extra
            .push(format!("{library},output={output}{options}"));
    }
}

/// What a plugin has written to `output`.
pub fn read(output: &Path) -> Result<Count> {
    let text = fs::read_to_string(output)
        .with_context(|| format!("QEMU ended without a count, {}", output.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no count", output.display()))
}

/// Bulkhead's instructions from the kernel's entry to the first guest's, in a run of its own
/// that ends there.
pub fn boot_instructions(paths: &Paths, prepared: &Prepared) -> Result<u64> {
    progress::step("Counting", "the instructions up to the first guest's");
    let count = count_boot(&Plugin::build(paths)?, paths, prepared, "")?;
    count.first_entry.context("no guest was entered")
}

/// Boots with `options` for the plugin, up to the first guest's first instruction.
pub fn count_boot(
    plugin: &Plugin,
    paths: &Paths,
    prepared: &Prepared,
    options: &str,
) -> Result<Count> {
    let logs = paths.logs().join("count");
    fs::create_dir_all(&logs)?;
    let output = logs.join("count.json");
    let _ = fs::remove_file(&output);
    let mut machine = prepared.machine.clone();
    plugin.watch(&mut machine, &output, &format!(",end=first-guest{options}"));
    let mut emulator = Emulator::start(&machine, &prepared.software, &logs)?;
    emulator.limit(LIMIT);
    loop {
        match emulator.hear(LISTEN) {
            Heard::End => break,
            Heard::Silence if emulator.is_out_of_time() => bail!("no guest within {LIMIT:?}"),
            Heard::Line(_) | Heard::Silence => {}
        }
    }
    read(&output)
}
