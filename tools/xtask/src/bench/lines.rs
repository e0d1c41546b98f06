//! How much code runs in root mode.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where it is.
const FOLDERS: [&str; 3] = ["boot/src", "kernel/src", "kernel/libs"];
/// What is there and does not run in root mode: the reader of plans, and help for tests.
const APART: [&str; 6] = [
    "tests",
    "testing",
    "source",
    "fake",
    "tests.rs",
    "testing.rs",
];

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
    let mut lines = Lines::default();
    for folder in FOLDERS {
        count_folder(&root.join(folder), &mut lines)?;
    }
    Ok(lines)
}

fn count_folder(folder: &Path, lines: &mut Lines) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("{}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".rs").unwrap_or(&name).to_owned();
        if APART.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            count_folder(&path, lines)?;
        } else if path.extension().is_some_and(|e| e == "rs" || e == "s") {
            let text = fs::read_to_string(&path)?;
            add(&text, lines);
        }
    }
    Ok(())
}

/// A file's tests are a module at its end.
fn add(text: &str, lines: &mut Lines) {
    let code = text.lines().map(str::trim);
    let code = code.take_while(|line| *line != "#[cfg(test)]");
    for line in code.filter(|line| !line.is_empty() && !line.starts_with("//")) {
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
        let mut lines = Lines::default();
        let text = "//! unsafe\n\nfn f() {\n    unsafe { g() }\n}\n#[cfg(test)]\nmod tests;\n";
        add(text, &mut lines);
        let expected = Lines {
            all: 3,
            with_unsafe: 1,
        };
        assert_eq!(lines, expected);
    }
}
