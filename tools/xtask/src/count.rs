//! Counts Bulkhead's instructions from the kernel's entry to the first guest's, in a run of
//! its own: the counting plugin slows the emulator and ends it at the first VMRUN.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use harness::Emulator;
use harness::serial::Heard;
use object::{Object, ObjectSymbol};

use crate::command;
use crate::paths::Paths;
use crate::progress;
use crate::run::{LISTEN, Prepared};

/// The kernel's first instruction.
const ENTRY: &str = "pvh_entry";
/// How long Bulkhead may take to start a guest.
const LIMIT: Duration = Duration::from_secs(120);

/// The instructions, without the repeated string stores that clear memory.
pub fn boot_instructions(paths: &Paths, prepared: &Prepared) -> Result<u64> {
    progress::step("Counting", "the instructions up to the first guest's");
    let plugin = build_plugin(paths)?;
    let entry = read_entry(&paths.kernel())?;
    let logs = paths.logs().join("count");
    fs::create_dir_all(&logs)?;
    let output = logs.join("instructions");
    let _ = fs::remove_file(&output);
    let mut machine = prepared.machine.clone();
    machine.extra.push("-plugin".to_owned());
    machine.extra.push(format!(
        "{},entry={entry:#x},output={}",
        plugin.display(),
        output.display()
    ));
    let mut emulator = Emulator::start(&machine, &prepared.software, &logs)?;
    emulator.limit(LIMIT);
    loop {
        match emulator.hear(LISTEN) {
            Heard::End => break,
            Heard::Silence if emulator.is_out_of_time() => bail!("no guest within {LIMIT:?}"),
            Heard::Line(_) | Heard::Silence => {}
        }
    }
    let text = fs::read_to_string(&output)
        .with_context(|| format!("QEMU ended without a count; logs: {}", logs.display()))?;
    parse(&text).with_context(|| format!("the count is `{text}`"))
}

fn build_plugin(paths: &Paths) -> Result<PathBuf> {
    let target = paths.target.join("plugin");
    let mut cargo = command::new("cargo", &paths.root);
    cargo.args(["build", "--quiet", "--release"]);
    cargo.args(["--package", "instruction-count", "--target-dir"]);
    command::run(cargo.arg(&target))?;
    Ok(target.join("release").join("libinstruction_count.so"))
}

/// QEMU enters by the PVH note, not at the ELF's own entry, which is Multiboot2's.
fn read_entry(kernel: &Path) -> Result<u64> {
    let bytes = fs::read(kernel).with_context(|| format!("reading {}", kernel.display()))?;
    let symbol = object::File::parse(&*bytes)?
        .symbol_by_name(ENTRY)
        .map(|symbol| symbol.address());
    symbol.with_context(|| format!("{} has no symbol {ENTRY}", kernel.display()))
}

/// Reads the first of the plugin's two numbers.
fn parse(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_without_string_stores_comes_first() {
        assert_eq!(parse("17474 5\n"), Some(17474));
        assert_eq!(parse(""), None);
    }
}
