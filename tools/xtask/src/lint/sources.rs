//! The project's source files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that hold sources.
const FOLDERS: [&str; 4] = ["boot", "kernel", "tests", "tools"];
/// What counts as a source file.
const EXTENSIONS: [&str; 6] = ["S", "ld", "md", "rs", "s", "toml"];
/// What is made, not written.
const MADE: &str = "target";

/// One source file.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path in the checkout, with forward slashes.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Reads all of them, sorted by path.
pub fn read(root: &Path) -> Result<Vec<Source>> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        let folder = root.join(folder);
        if folder.exists() {
            collect(&folder, &mut paths)?;
        }
    }
    paths.sort();
    paths.iter().map(|path| read_one(root, path)).collect()
}

fn read_one(root: &Path, path: &Path) -> Result<Source> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    // Some of the bad plans are no text on purpose.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let path = path.strip_prefix(root).unwrap_or(path);
    Ok(Source {
        path: path.to_string_lossy().replace('\\', "/"),
        text,
    })
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if entry.file_name() != MADE {
                collect(&path, paths)?;
            }
        } else if path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| EXTENSIONS.contains(&extension))
        {
            paths.push(path);
        }
    }
    Ok(())
}
