//! Kernel modules, in the order of their file names: the tool that made the initial RAM disk
//! has put the dependencies first.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::system;

/// Loads every module of `folder`; a folder that is not there has none.
pub fn load_all(folder: &str) -> io::Result<()> {
    if !Path::new(folder).exists() {
        return Ok(());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.sort();
    for path in paths {
        system::load_module(&File::open(&path)?)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}
