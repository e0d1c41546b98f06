//! `unsafe` only in the files that `kernel/ARCHITECTURE.md` lists. A listed file that holds
//! none is a finding too: the list is to be as short as the truth.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::sources::Source;

/// The document with the list.
const DOCUMENT: &str = "kernel/ARCHITECTURE.md";
/// The heading that the list is under.
const HEADING: &str = "Files that may hold `unsafe`";

/// Names the files that break the list.
pub fn check(root: &Path, sources: &[Source]) -> Result<Vec<String>> {
    let document =
        fs::read_to_string(root.join(DOCUMENT)).with_context(|| format!("reading {DOCUMENT}"))?;
    let allowed = parse_list(&document);
    if allowed.is_empty() {
        bail!("{DOCUMENT} has no list under the heading «{HEADING}»");
    }
    Ok(compare(&allowed, sources))
}

fn compare(allowed: &[String], sources: &[Source]) -> Vec<String> {
    let holding: Vec<_> = sources
        .iter()
        .filter(|source| source.path.ends_with(".rs") && holds_unsafe(&source.text))
        .map(|source| source.path.as_str())
        .collect();
    let unlisted = holding
        .iter()
        .filter(|path| !allowed.iter().any(|a| a == *path))
        .map(|path| format!("{path}: holds `unsafe` and is not listed in {DOCUMENT}"));
    let stale = allowed
        .iter()
        .filter(|path| !holding.contains(&path.as_str()))
        .map(|path| format!("{DOCUMENT}: lists {path}, which holds no `unsafe`"));
    unlisted.chain(stale).collect()
}

/// The first path in backticks of each list item under the heading.
fn parse_list(document: &str) -> Vec<String> {
    document
        .lines()
        .skip_while(|line| !(line.starts_with('#') && line.contains(HEADING)))
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter_map(|line| line.trim_start().strip_prefix("- `"))
        .filter_map(|item| item.split_once('`'))
        .map(|(path, _)| path.to_owned())
        .collect()
}

/// Whether the keyword stands in the code, not in a comment or a string.
fn holds_unsafe(text: &str) -> bool {
    text.lines().any(|line| {
        let code = without_strings(line);
        let code = code.split("//").next().unwrap_or_default();
        code.split(|c: char| !c.is_alphanumeric() && c != '_')
            .any(|word| word == "unsafe")
    })
}

/// The line without what is between double quotes.
fn without_strings(line: &str) -> String {
    let mut code = String::new();
    let (mut in_string, mut escaped) = (false, false);
    for character in line.chars() {
        match (in_string, escaped, character) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (_, _, '"') => in_string = !in_string,
            (true, ..) => {}
            (false, ..) => code.push(character),
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_keyword_is_found_in_code_alone() {
        assert!(holds_unsafe("let a = unsafe { b() };"));
        assert!(holds_unsafe("#[unsafe(no_mangle)]"));
        assert!(!holds_unsafe(
            "// unsafe\n/// `unsafe` too\n#![forbid(unsafe_code)]"
        ));
        assert!(!holds_unsafe("let a = \"unsafe \\\" unsafe\";"));
    }

    #[test]
    fn the_list_ends_with_its_section() {
        let document = "## Files that may hold `unsafe`\n- `a.rs`: why\n\n- `b.rs`\n## Next\n\
                        - `c.rs`\n";
        assert_eq!(parse_list(document), ["a.rs", "b.rs"]);
    }

    #[test]
    fn both_directions_are_checked() {
        let sources = [source("a.rs", "unsafe {}"), source("b.rs", "fn b() {}")];
        assert!(compare(&["a.rs".to_owned()], &sources).is_empty());
        assert_eq!(compare(&["b.rs".to_owned()], &sources).len(), 2);
    }
}
