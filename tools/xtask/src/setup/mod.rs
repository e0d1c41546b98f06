//! Finds what the tasks need and installs what is missing, saying what and why.
//!
//! Key type: [`Need`]. What is there is found by looking for it, not by asking the package
//! manager, so that a second run costs nothing.

mod apt;
mod bochs;
mod sources;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use harness::{boot_disk, preflight};

use crate::paths::Paths;
use crate::progress;
use crate::toolchain::Toolchain;

/// Something that is missing, and the packages that bring it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Why it is needed.
    pub why: &'static str,
    /// Debian's packages.
    pub packages: &'static [&'static str],
    /// Whether the suite's version may be too old.
    pub may_need_backports: bool,
}

const QEMU: Need = Need {
    why: "the emulator: QEMU 9.0 or later with SVM, VT-d and SR-IOV",
    packages: &["qemu-system-x86", "qemu-utils", "seabios"],
    may_need_backports: true,
};
const LINKER: Need = Need {
    why: "the linker for the bare machine (ld.lld)",
    packages: &["lld"],
    may_need_backports: false,
};
const HOST_COMPILER: Need = Need {
    why: "the linker and C library for host programs",
    packages: &["gcc", "libc6-dev"],
    may_need_backports: false,
};
const BARE_TOOLCHAIN: Need = Need {
    why: "a compiler with its library's source, which the pinned toolchain lacks here",
    packages: &[
        "rustc-web",
        "cargo-web",
        "rust-web-src",
        "rust-web-clippy",
        "rustfmt-web",
    ],
    may_need_backports: false,
};
const UNPACKER: Need = Need {
    why: "unpacking Debian's kernel package",
    packages: &["dpkg"],
    may_need_backports: false,
};

const DISASSEMBLER: Need = Need {
    why: "the tests' judge of the guests' ACPI tables (iasl)",
    packages: &["acpica-tools"],
    may_need_backports: false,
};

const BOOT_LOADER: Need = Need {
    why: "the tests' boot loader for the Multiboot2 entry (GRUB)",
    packages: &["grub-pc-bin", "grub-common"],
    may_need_backports: false,
};

/// Brings the package lists up to date.
pub fn update_package_lists() -> Result<()> {
    apt::update()
}

/// Installs what is missing and returns the toolchain for the bare machine.
pub fn run(paths: &Paths) -> Result<Toolchain> {
    provide(|| find_missing(paths))?;
    let version = preflight::check()?;
    let Some(toolchain) = Toolchain::find(paths) else {
        bail!("no toolchain with its library's source was found");
    };
    progress::step(
        "Using",
        &format!("QEMU {version}; {}", toolchain.describe(paths)),
    );
    Ok(toolchain)
}

/// Installs and builds what Bochs needs and returns its program. Apart from [`run`], so that
/// what runs in QEMU alone does not wait for it.
pub fn bochs(paths: &Paths) -> Result<PathBuf> {
    provide(bochs::missing)?;
    bochs::find(paths)
}

/// Installs what `find_missing` finds; fails if it finds something afterwards, too.
fn provide(find_missing: impl Fn() -> Vec<Need>) -> Result<()> {
    let missing = find_missing();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        progress::step("Missing", need.why);
    }
    apt::install(&missing)?;
    if let Some(need) = find_missing().first() {
        bail!(
            "still missing after the installation: {}; if another version stands before it in \
             PATH, take that one away",
            need.why
        );
    }
    Ok(())
}

fn find_missing(paths: &Paths) -> Vec<Need> {
    let qemu_is_good = preflight::installed_version().is_some_and(|v| v >= preflight::OLDEST);
    let toolchain = Toolchain::find(paths);
    // The pinned toolchain brings its own clippy; Debian's is a package of its own.
    let bare_is_good = match &toolchain {
        None => false,
        Some(Toolchain::Pinned) => true,
        Some(Toolchain::Debian(binaries)) => binaries.join("cargo-clippy").exists(),
    };
    [
        (qemu_is_good, QEMU),
        (find_program("ld.lld").is_some(), LINKER),
        (has_host_compiler(), HOST_COMPILER),
        (bare_is_good, BARE_TOOLCHAIN),
        (find_program("dpkg-deb").is_some(), UNPACKER),
        (find_program("iasl").is_some(), DISASSEMBLER),
        (has_boot_loader(), BOOT_LOADER),
    ]
    .into_iter()
    .filter(|(is_there, _)| !is_there)
    .map(|(_, need)| need)
    .collect()
}

fn has_boot_loader() -> bool {
    find_program("grub-mkimage").is_some() && Path::new(boot_disk::MODULES_FOLDER).exists()
}

fn has_host_compiler() -> bool {
    // The static C library, for the guests' init program, comes with the headers.
    let library = Path::new("/usr/lib/x86_64-linux-gnu/libc.a");
    find_program("cc").is_some() && (library.exists() || !Path::new("/etc/debian_version").exists())
}

/// The program `name` on the search path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let search = env::var_os("PATH")?;
    env::split_paths(&search)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}
