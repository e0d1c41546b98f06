//! Drivers as kernel modules, a folder each, in the order of the file names: the tool that
//! made the initial RAM disk has put the dependencies first.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::system;

/// Where the folders are.
const MODULES: &str = "/modules";

/// Loads the driver `name`; one that the initial RAM disk does not have is part of the kernel.
pub fn load(name: &str) -> io::Result<()> {
    let folder = Path::new(MODULES).join(name);
    if !folder.exists() {
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
