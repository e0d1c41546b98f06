//! The machine's own sources of packages, under `/etc/apt`: its mirrors, and a copy of its
//! entry with the backports in the suite's place, so that mirror and keys stay those that the
//! machine's owner chose.
//!
//! Formats: sources.list(5) of apt 2.6, "One-Line-Style Format" and "deb822-Style Format".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where apt's configuration is.
pub const APT: &str = "/etc/apt";
/// The folder in it that packages and owners put further files into.
const LIST_FOLDER: &str = "sources.list.d";

/// A file to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it belongs.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

/// This machine's release, by its code name.
pub fn own_codename() -> Result<String> {
    let path = "/etc/os-release";
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    codename(&text).with_context(|| format!("{path} names no VERSION_CODENAME"))
}

fn codename(os_release: &str) -> Option<String> {
    let line = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    let name = line.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

/// The file that adds the backports of `codename`, made from the sources under `apt`.
pub fn backports(apt: &Path, codename: &str) -> Result<Source> {
    for path in list_sources(apt) {
        let text = read(&path)?;
        let (copy, name) = if is_deb822(&path) {
            (copy_stanza(&text, codename), "bulkhead-backports.sources")
        } else {
            (copy_line(&text, codename), "bulkhead-backports.list")
        };
        if let Some(text) = copy {
            return Ok(Source {
                path: apt.join(LIST_FOLDER).join(name),
                text,
            });
        }
    }
    bail!(
        "no entry for the suite {codename} under {}: add {codename}-backports by hand",
        apt.display()
    )
}

/// The addresses of the archives that have the suite `codename`, without a slash at the end.
pub fn mirrors(apt: &Path, codename: &str) -> Result<Vec<String>> {
    let mut mirrors = Vec::new();
    for path in list_sources(apt) {
        let text = read(&path)?;
        let found = if is_deb822(&path) {
            find_stanza(&text, codename).and_then(|stanza| value(&stanza, "URIs"))
        } else {
            find_line(&text, codename)
        };
        let words = found.unwrap_or_default().split_whitespace();
        let addresses = words.filter(|word| word.contains("://") && !word.starts_with('['));
        mirrors.extend(addresses.map(|address| address.trim_end_matches('/').to_owned()));
    }
    Ok(mirrors)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn is_deb822(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "sources")
}

fn list_sources(apt: &Path) -> Vec<PathBuf> {
    let mut paths = vec![apt.join("sources.list")];
    let entries = fs::read_dir(apt.join(LIST_FOLDER)).into_iter().flatten();
    let mut more: Vec<_> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
    more.sort();
    paths.extend(more);
    paths.retain(|path| {
        path.is_file()
            && path
                .extension()
                .is_some_and(|e| e == "list" || e == "sources")
    });
    paths
}

/// The stanza that has the suite itself, with the backports in its place.
fn copy_stanza(text: &str, codename: &str) -> Option<String> {
    let mut copy = String::new();
    for line in find_stanza(text, codename)? {
        if field(line).is_some_and(|(name, _)| name.eq_ignore_ascii_case("Suites")) {
            copy.push_str(&format!("Suites: {codename}-backports"));
        } else {
            copy.push_str(line);
        }
        copy.push('\n');
    }
    Some(copy)
}

/// The stanza that has the suite itself.
fn find_stanza<'a>(text: &'a str, codename: &str) -> Option<Vec<&'a str>> {
    stanzas(text)
        .into_iter()
        .find(|stanza| is_active(stanza) && has_suite(stanza, codename))
}

/// The groups of lines between empty lines, without comments.
fn stanzas(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    lines
        .split(|line| line.trim().is_empty())
        .filter(|stanza| !stanza.is_empty())
        .map(<[&str]>::to_vec)
        .collect()
}

fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    (!name.starts_with(char::is_whitespace)).then_some((name, value.trim()))
}

fn value<'a>(stanza: &[&'a str], name: &str) -> Option<&'a str> {
    stanza
        .iter()
        .filter_map(|line| field(line))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn has_suite(stanza: &[&str], codename: &str) -> bool {
    let suites = value(stanza, "Suites").unwrap_or_default();
    suites.split_whitespace().any(|suite| suite == codename)
}

fn is_active(stanza: &[&str]) -> bool {
    let types = value(stanza, "Types").unwrap_or_default();
    let is_off = value(stanza, "Enabled").is_some_and(|v| v.eq_ignore_ascii_case("no"));
    types.split_whitespace().any(|kind| kind == "deb") && !is_off
}

/// The `deb` line that has the suite itself, with the backports in its place.
fn copy_line(text: &str, codename: &str) -> Option<String> {
    let backports = format!("{codename}-backports");
    let words = find_line(text, codename)?.split_whitespace();
    let words = words.map(|word| if word == codename { &backports } else { word });
    Some(format!("{}\n", words.collect::<Vec<_>>().join(" ")))
}

/// The `deb` line that has the suite itself.
fn find_line<'a>(text: &'a str, codename: &str) -> Option<&'a str> {
    text.lines().find(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("deb") && words.any(|word| word == codename)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANZAS: &str = "# a comment\nTypes: deb\nURIs: http://mirror.example/security\n\
        Suites: bookworm-security\nComponents: main\n\n\
        Types: deb\n# another\nURIs: http://mirror.example/debian\n\
        Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/key.gpg\n";

    #[test]
    fn the_stanza_of_the_suite_is_copied() {
        assert_eq!(
            copy_stanza(STANZAS, "bookworm").unwrap(),
            "Types: deb\nURIs: http://mirror.example/debian\n\
             Suites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/key.gpg\n"
        );
        assert_eq!(copy_stanza(STANZAS, "trixie"), None);
    }

    #[test]
    fn a_disabled_stanza_is_passed_over() {
        let text = format!("{STANZAS}Enabled: no\n");
        assert_eq!(copy_stanza(&text, "bookworm"), None);
    }

    #[test]
    fn the_line_of_the_suite_is_copied() {
        let text = "# deb http://old.example bookworm main\n\
            deb-src http://mirror.example/debian bookworm main\n\
            deb [signed-by=/key] http://mirror.example/debian bookworm main contrib\n";
        assert_eq!(
            copy_line(text, "bookworm").unwrap(),
            "deb [signed-by=/key] http://mirror.example/debian bookworm-backports main contrib\n"
        );
    }

    #[test]
    fn mirrors_are_found_in_both_formats() {
        let apt = tempfile::tempdir().unwrap();
        let folder = apt.path().join(LIST_FOLDER);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.sources"), STANZAS).unwrap();
        let lines = "deb [arch=amd64 signed-by=/key] https://other.example/debian/ bookworm main\n";
        fs::write(folder.join("b.list"), lines).unwrap();
        assert_eq!(
            mirrors(apt.path(), "bookworm").unwrap(),
            [
                "http://mirror.example/debian",
                "https://other.example/debian"
            ]
        );
        assert!(mirrors(apt.path(), "trixie").unwrap().is_empty());
    }

    #[test]
    fn the_code_name_is_read() {
        let text = "ID=debian\nVERSION_CODENAME=bookworm\n";
        assert_eq!(codename(text).as_deref(), Some("bookworm"));
        assert_eq!(codename("ID=debian\n"), None);
    }
}
