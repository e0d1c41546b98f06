//! How much code runs in root mode: what the compiler reads for it, from each crate's root on.
//!
//! The sources are read as text, as rustfmt writes them: an item ends at the first line of its
//! own indentation that ends with `;` or `}`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Crates' roots that are in the kernel, beside those of the libraries.
const ROOTS: [&str; 2] = ["boot/src/lib.rs", "kernel/src/main.rs"];
/// Where the libraries are.
const LIBRARIES: &str = "kernel/libs";
/// What an item begins with that is not in the kernel, which enables no feature of ours.
const APART: [&str; 3] = ["#[cfg(test)]", "#[cfg(feature", "#[cfg(any(test, feature"];
/// What an assembler source is included by.
const INCLUDE: &str = "include_str!(\"";

/// Lines of code: neither empty, nor a comment, nor of a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lines {
    /// All of them.
    pub all: u64,
    /// Those with the word `unsafe`.
    pub with_unsafe: u64,
}

/// Counts in the checkout at `root`.
pub fn count(root: &Path) -> Result<Lines> {
    let mut files: Vec<_> = ROOTS.iter().map(|file| root.join(file)).collect();
    let libraries = root.join(LIBRARIES);
    for library in fs::read_dir(&libraries).with_context(|| format!("{}", libraries.display()))? {
        files.push(library?.path().join("src/lib.rs"));
    }
    let mut lines = Lines::default();
    while let Some(file) = files.pop() {
        let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
        let code = code(&text);
        add(&code, &mut lines);
        files.extend(code.iter().filter_map(|line| named(line, &file)));
    }
    Ok(lines)
}

/// The lines that are compiled, without what surrounds them.
fn code(text: &str) -> Vec<&str> {
    let mut code = Vec::new();
    let mut apart = None;
    for line in text.lines() {
        let trimmed = line.trim();
        let indentation = line.len().saturating_sub(line.trim_start().len());
        // The assembler's comments begin with a `#` that stands alone.
        let is_comment = trimmed.starts_with("//") || trimmed.split(' ').next() == Some("#");
        if trimmed.is_empty() || is_comment {
            continue;
        }
        if apart.is_some() {
            let ends = apart == Some(indentation) && trimmed.ends_with([';', '}']);
            apart = apart.filter(|_| !ends);
        } else if APART.iter().any(|begin| trimmed.starts_with(begin)) {
            apart = Some(indentation);
        } else {
            code.push(trimmed);
        }
    }
    code
}

/// The other file that a line of `file` brings in: a module's, or an assembler's.
fn named(line: &str, file: &Path) -> Option<PathBuf> {
    if let Some((_, rest)) = line.split_once(INCLUDE) {
        return Some(file.with_file_name(rest.split_once('"')?.0));
    }
    let (visibility, module) = line.strip_suffix(';')?.split_once("mod ")?;
    if !visibility.is_empty() && !visibility.starts_with("pub") {
        return None;
    }
    let folder = match file.file_stem()?.to_str()? {
        "lib" | "main" | "mod" => file.parent()?.to_owned(),
        _ => file.with_extension(""),
    };
    let beside = folder.join(module).with_extension("rs");
    let inside = folder.join(module).join("mod.rs");
    Some(if beside.exists() { beside } else { inside })
}

fn add(code: &[&str], lines: &mut Lines) {
    for line in code {
        lines.all = lines.all.saturating_add(1);
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| word == "unsafe") {
            lines.with_unsafe = lines.with_unsafe.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_empty_lines_and_tests_are_no_code() {
        let text = "//! unsafe\n\nfn f() {\n    unsafe { g() }\n}\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n";
        let mut lines = Lines::default();
        add(&code(text), &mut lines);
        let expected = Lines {
            all: 3,
            with_unsafe: 1,
        };
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_stands_behind_a_test_is_code() {
        let text = "#[cfg(test)]\n#[expect(\n    unused,\n    reason = \"\"\n)]\nmod tests;\n\nfn f() {\n    #[cfg(feature = \"source\")]\n    g();\n    h();\n}\n";
        assert_eq!(code(text), ["fn f() {", "h();", "}"]);
    }

    #[test]
    fn modules_and_assembler_are_found_where_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        for file in ROOTS {
            write(file, "");
        }
        let root = "mod one;\npub(crate) mod two;\n#[cfg(test)]\nmod fake;\n";
        write("kernel/libs/a/src/lib.rs", root);
        write("kernel/libs/a/src/one.rs", "mod three;\n");
        write("kernel/libs/a/src/one/three.rs", "// nothing\n");
        let assembler = "global_asm!(include_str!(\"entry.s\"));\n";
        write("kernel/libs/a/src/two/mod.rs", assembler);
        write("kernel/libs/a/src/two/entry.s", "# Stops.\n#\ncli\nhlt\n");
        write("kernel/libs/a/src/fake.rs", "fn f() {}\n");
        write("kernel/libs/a/fuzz/line.rs", "fn f() {}\n");
        assert_eq!(count(folder.path()).unwrap().all, 2 + 1 + 1 + 2);
    }
}
