//! `cargo xtask symbolize`: names the addresses in a crash record.

use std::fs;
use std::io::{self, BufRead};
use std::path::Path;

use anyhow::{Context, Result};
use object::{Object, ObjectSymbol, SymbolKind};

use crate::paths::Paths;

/// A function or object of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Symbol {
    address: u64,
    bytes: u64,
    name: String,
}

/// Repeats standard input; under each line, names the addresses in it.
pub fn run(paths: &Paths, elf: Option<&Path>) -> Result<()> {
    let built = paths.kernel();
    let elf = elf.unwrap_or(&built);
    let symbols = read_symbols(elf)?;
    for line in io::stdin().lock().lines() {
        let line = line.context("reading the crash record")?;
        println!("{line}");
        for address in addresses(&line) {
            if let Some(name) = resolve(&symbols, address) {
                println!("    {address:#x} = {name}");
            }
        }
    }
    Ok(())
}

/// The named functions and objects, by address.
fn read_symbols(elf: &Path) -> Result<Vec<Symbol>> {
    let bytes = fs::read(elf)
        .with_context(|| format!("reading {}; run `cargo xtask build`", elf.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{}", elf.display()))?;
    let mut symbols: Vec<_> = file
        .symbols()
        // Assembly need not say what a symbol is.
        .filter(|s| {
            matches!(
                s.kind(),
                SymbolKind::Text | SymbolKind::Data | SymbolKind::Unknown
            )
        })
        .filter(|symbol| symbol.section_index().is_some() && symbol.name() != Ok(""))
        .map(|symbol| Symbol {
            address: symbol.address(),
            bytes: symbol.size(),
            name: demangle(symbol.name().unwrap_or("?")),
        })
        .collect();
    symbols.sort_by_key(|symbol| symbol.address);
    Ok(symbols)
}

/// The name without the hash that tells compilations apart.
pub fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

/// The numbers of the line that are written as `0x…`.
fn addresses(line: &str) -> Vec<u64> {
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter_map(|word| word.strip_prefix("0x"))
        .filter_map(|digits| u64::from_str_radix(&digits.replace('_', ""), 16).ok())
        .collect()
}

/// `name+offset` of the symbol that holds `address`.
fn resolve(symbols: &[Symbol], address: u64) -> Option<String> {
    let after = symbols.partition_point(|symbol| symbol.address <= address);
    let symbol = symbols.get(after.checked_sub(1)?)?;
    let offset = address.checked_sub(symbol.address)?;
    // A symbol written in assembly may have no size; it then reaches up to the next one.
    let is_inside = symbol.bytes == 0 && symbols.get(after).is_some() || offset < symbol.bytes;
    is_inside.then(|| format!("{}+{offset:#x}", symbol.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> Vec<Symbol> {
        let symbol = |address, bytes, name: &str| Symbol {
            address,
            bytes,
            name: name.to_owned(),
        };
        vec![
            symbol(0x1000, 0x10, "first"),
            symbol(0x2000, 0, "second"),
            symbol(0x3000, 0x10, "third"),
        ]
    }

    #[test]
    fn an_address_is_named_by_the_symbol_that_holds_it() {
        let symbols = symbols();
        assert_eq!(resolve(&symbols, 0x1004).as_deref(), Some("first+0x4"));
        assert_eq!(resolve(&symbols, 0x2fff).as_deref(), Some("second+0xfff"));
        assert_eq!(resolve(&symbols, 0x1010), None);
        assert_eq!(resolve(&symbols, 0x3010), None);
        assert_eq!(resolve(&symbols, 0), None);
    }

    #[test]
    fn only_numbers_with_a_prefix_are_addresses() {
        assert_eq!(
            addresses("rip 0x20_1234, cr2=0xdead (14)"),
            [0x0020_1234, 0xdead]
        );
    }

    #[test]
    fn mangled_names_become_readable() {
        assert_eq!(
            demangle("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
    }
}
