//! The Linux guests' images: a stock Debian kernel, and an initial RAM disk of our own.

mod archive;
pub mod first_level;
mod module;
mod package;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command;
use crate::paths::Paths;
use crate::progress;
use archive::Archive;
use package::{KernelPackage, Selection};

/// The stock kernel with the drivers that the example's guests need: for the disk, for the power
/// button, and for reading what the button says.
const GUEST: Selection = Selection {
    folder: "kernel",
    why: "the guests' stock kernel",
    drivers: &["nvme", "button", "evdev"],
};
/// What the guests' init program is built for: the C library is linked into it.
const INIT_TARGET: &str = "x86_64-unknown-linux-gnu";

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
    let init = build_init(paths)?;
    let folder = paths.example();
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let guest = Guest {
        kernel: folder.join("vmlinuz"),
        initial_ramdisk: folder.join("initrd.img"),
        init,
    };
    fs::copy(&package.kernel, &guest.kernel)
        .with_context(|| format!("copying {}", package.kernel.display()))?;
    let archive = make_archive(&guest.init, &package)?;
    fs::write(&guest.initial_ramdisk, archive)
        .with_context(|| format!("writing {}", guest.initial_ramdisk.display()))?;
    Ok(guest)
}

fn build_init(paths: &Paths) -> Result<PathBuf> {
    progress::step("Building", "the guests' init program");
    let target = paths.target.join("guest-init");
    let mut cargo = command::new("cargo", &paths.root);
    cargo
        .args(["build", "--quiet", "--release", "--package", "guest-init"])
        .args(["--target", INIT_TARGET, "--target-dir"])
        .arg(&target)
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    command::run(&mut cargo)?;
    Ok(target.join(INIT_TARGET).join("release").join("guest-init"))
}

/// The initial RAM disk: the init program, each driver's modules in loading order, the mount
/// points.
fn make_archive(init: &Path, package: &KernelPackage) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    add_base(&mut archive, init, package)?;
    archive.finish()
}

fn add_base(archive: &mut Archive, init: &Path, package: &KernelPackage) -> Result<()> {
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
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}
