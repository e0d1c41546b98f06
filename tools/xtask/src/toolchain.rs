//! The toolchain for the bare machine: the first that has its library's source, from which
//! `core` and `alloc` are built for our target.
//!
//! The pinned one comes first. Where it has no source, Debian's matched pair of compiler and
//! library source does; its cargo is behind rustup's on the search path, so it is called by
//! its absolute path with its own folder in front.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::paths::Paths;

/// Where Debian puts its compiler.
const DEBIAN_BINARIES: &str = "/usr/bin";

/// A toolchain that can build for the bare machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Toolchain {
    /// The one that `rust-toolchain.toml` names.
    Pinned,
    /// Debian's, with its binaries' folder.
    Debian(PathBuf),
}

impl Toolchain {
    /// The first that has its library's source.
    pub fn find(paths: &Paths) -> Option<Self> {
        if has_source(&mut command::new("rustc", &paths.root)) {
            return Some(Self::Pinned);
        }
        let binaries = Path::new(DEBIAN_BINARIES);
        let debian = Self::Debian(binaries.to_owned());
        let has_cargo = binaries.join("cargo").exists();
        let mut compiler = command::new(binaries.join("rustc"), &paths.root);
        (has_cargo && has_source(&mut compiler)).then_some(debian)
    }

    /// Which one it is, for people.
    pub fn describe(&self, paths: &Paths) -> String {
        let (name, program) = match self {
            Self::Pinned => ("the pinned toolchain", PathBuf::from("rustc")),
            Self::Debian(binaries) => ("Debian's toolchain", binaries.join("rustc")),
        };
        let version = command::output(command::new(program, &paths.root).arg("--version"))
            .unwrap_or_else(|_| "of unknown version".to_owned());
        format!("{name}, {}", version.trim())
    }

    /// Its cargo, in the checkout, ready to build for the bare machine.
    pub fn cargo(&self, paths: &Paths) -> Command {
        let mut cargo = match self {
            Self::Pinned => command::new("cargo", &paths.root),
            Self::Debian(binaries) => debian_cargo(binaries, &paths.root),
        };
        // Building the library from source is an unstable feature of a stable compiler.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo
    }
}

fn debian_cargo(binaries: &Path, root: &Path) -> Command {
    let mut cargo = command::new(binaries.join("cargo"), root);
    cargo.env("RUSTC", binaries.join("rustc"));
    let mut search = OsString::from(binaries);
    if let Some(old) = env::var_os("PATH") {
        search.push(":");
        search.push(old);
    }
    cargo.env("PATH", search);
    cargo
}

/// Whether the compiler's library source is where cargo looks for it.
fn has_source(compiler: &mut Command) -> bool {
    let sysroot: Result<String> = command::output(compiler.args(["--print", "sysroot"]));
    sysroot.is_ok_and(|folder| {
        Path::new(folder.trim())
            .join("lib/rustlib/src/rust/library/core/src/lib.rs")
            .exists()
    })
}
