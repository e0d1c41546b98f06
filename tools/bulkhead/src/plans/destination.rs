//! The file that a command writes: never one that it has read, and whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::problem::Problem;

/// A file that a command has read.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// The plan itself.
    Plan(&'a Path),
    /// An image that it names.
    Image(&'a Path),
}

/// Where a command's result goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The file.
    pub path: &'a Path,
    /// The option that names it.
    pub option: &'static str,
}

impl Destination<'_> {
    /// Writes `bytes`, of which the command has read `sources`.
    pub fn write<'s>(
        self,
        bytes: &[u8],
        mut sources: impl Iterator<Item = Source<'s>>,
    ) -> Result<(), Problem> {
        // What is not there yet is nothing that was read.
        let existing = fs::canonicalize(self.path).ok();
        if let Some(existing) = &existing {
            sources.try_for_each(|source| self.spare(source, existing))?;
        }
        let path = existing.as_deref().unwrap_or(self.path);
        let written = match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                let what = format!("{} is a folder", self.path.display());
                return Err(Problem::here_with(what, "name a file"));
            }
            // A device or a pipe stays what it is.
            Ok(found) if !found.is_file() => fs::write(path, bytes),
            _ => replace(path, bytes),
        };
        written.map_err(|error| {
            Problem::here(format!("cannot write {}: {error}", self.path.display()))
        })
    }

    fn spare(self, source: Source<'_>, existing: &Path) -> Result<(), Problem> {
        let (path, what) = match source {
            Source::Plan(path) => (path, "this plan"),
            Source::Image(path) => (path, "an image of this plan"),
        };
        if fs::canonicalize(path).is_ok_and(|path| path == existing) {
            let what = format!("{} is {what}; nothing was written", self.path.display());
            let remedy = format!("name another file after {}", self.option);
            return Err(Problem::here_with(what, remedy));
        }
        Ok(())
    }
}

/// Puts `bytes` at `path` at once: a disk that is full leaves what was there.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
    let mut beside = name.to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = path.with_file_name(beside);
    let written = fill(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // There may be none; the error that is told is the first one.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    // Only here a disk may say that it is full.
    file.sync_all()
}
