//! The Linux guests' images: a stock Debian kernel, and an initial RAM disk of our own.

pub mod first_level;
mod module;
mod package;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::archive::Archive;

use crate::command;
use crate::paths::Paths;
use crate::progress;
use package::{KernelPackage, Selection};

/// The stock kernel with the drivers that the example's guests need: for the disk, for the power
/// button, for reading what the button says, and for the console without exits.
const GUEST: Selection = Selection {
    folder: "kernel",
    why: "the guests' stock kernel",
    drivers: &["nvme", "button", "evdev", "virtio_pci", "virtio_console"],
};
/// What the guests' programs are built for: the C library is linked into them.
const GUEST_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The images of a Linux guest.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The kernel as Debian ships it.
    pub kernel: PathBuf,
    /// The initial RAM disk.
    pub initial_ramdisk: PathBuf,
    /// The program in it.
    pub init: PathBuf,
}

/// Makes the images in the example's folder.
pub fn build(paths: &Paths) -> Result<Guest> {
    let package = package::find(paths, &GUEST)?;
    let init = build_static(paths, "guest-init")?;
    let folder = paths.example();
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let guest = Guest {
        kernel: folder.join("vmlinuz"),
        initial_ramdisk: folder.join("initrd.img"),
        init,
    };
    fs::copy(&package.kernel, &guest.kernel)
        .with_context(|| format!("copying {}", package.kernel.display()))?;
    let archive = make_archive(&guest.init, &package)?.finish()?;
    write(&guest.initial_ramdisk, &archive)?;
    Ok(guest)
}

/// Makes, in the same folder, the initial RAM disk of a guest that manages others: with the
/// user's tool in it.
pub fn build_manager(paths: &Paths) -> Result<()> {
    let package = package::find(paths, &GUEST)?;
    let mut archive = make_archive(&build_static(paths, "guest-init")?, &package)?;
    archive.add_program("bulkhead", &read(&build_static(paths, "bulkhead")?)?)?;
    write(&paths.example().join("manager.img"), &archive.finish()?)
}

/// Builds a program that needs nothing beside it.
fn build_static(paths: &Paths, package: &str) -> Result<PathBuf> {
    progress::step("Building", &format!("{package} for the guests"));
    let target = paths.target.join("guest-init");
    let mut cargo = command::new("cargo", &paths.root);
    cargo
        .args(["build", "--quiet", "--release", "--package", package])
        .args(["--target", GUEST_TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    command::run(&mut cargo)?;
    Ok(target.join(GUEST_TARGET).join("release").join(package))
}

/// The beginning of an initial RAM disk: the init program, each driver's modules in loading
/// order, the mount points.
fn make_archive(init: &Path, package: &KernelPackage) -> Result<Archive> {
    let mut archive = Archive::default();
    for folder in ["dev", "modules", "proc", "sys"] {
        archive.add_folder(folder)?;
    }
    // The kernel opens this for the init program. Here it is a file, which takes the place
    // of the node that the kernel brings: a serial console without an interrupt, once open,
    // is polled for ever, and each poll exits.
    archive.add_file("dev/console", &[])?;
    archive.add_program("init", &read(init)?)?;
    for driver in &package.drivers {
        let folder = format!("modules/{}", driver.name);
        archive.add_folder(&folder)?;
        for (index, path) in driver.modules.iter().enumerate() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            archive.add_file(&format!("{folder}/{index:02}-{name}"), &read(path)?)?;
        }
    }
    Ok(archive)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
