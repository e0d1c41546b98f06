//! Two disks that boot a kernel as administrators do: firmware starts GRUB from the first, and
//! GRUB starts kernel and module from the second by Multiboot2.
//!
//! The first is GRUB's boot sector with its core right behind it, which is where the boot
//! sector looks for it (GRUB 2.06, "Images"). The second is a tar archive, which GRUB reads as
//! a file system.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::emulator::Software;

/// The disks' files, in their order.
pub const NAMES: [&str; 2] = ["loader.disk", "files.disk"];
/// GRUB's folder of modules for a PC's firmware.
pub const MODULES_FOLDER: &str = "/usr/lib/grub/i386-pc";
/// What GRUB needs of it: disks by the firmware, tar archives, and Multiboot2.
const MODULES: [&str; 4] = ["normal", "biosdisk", "tar", "multiboot2"];
/// Firmware may count in cylinders and leave out the rest of a disk: 16 heads, 63 sectors.
const CYLINDER_BYTES: u64 = 16 * 63 * 512;

/// Makes the disks in `folder`.
pub fn make(software: &Software, folder: &Path) -> Result<()> {
    let mut files = vec![("kernel", software.kernel.as_path())];
    files.extend(software.module.as_deref().map(|path| ("module", path)));
    let [loader, archive] = NAMES.map(|name| folder.join(name));
    make_loader(&files, folder, &loader)?;
    make_archive(&files, folder, &archive)?;
    for disk in [loader, archive] {
        let disk = File::options().write(true).open(disk)?;
        let bytes = disk.metadata()?.len();
        disk.set_len(bytes.next_multiple_of(CYLINDER_BYTES))?;
    }
    Ok(())
}

/// The files under names of their own, which links give them.
fn make_archive(files: &[(&str, &Path)], folder: &Path, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--format=ustar", "--dereference", "-cf"])
        .arg(archive);
    tar.arg("-C").arg(folder);
    for (name, path) in files {
        let link = folder.join(name);
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(path, &link)
            .with_context(|| format!("linking {}", link.display()))?;
        tar.arg(name);
    }
    run(&mut tar)
}

fn make_loader(files: &[(&str, &Path)], folder: &Path, loader: &Path) -> Result<()> {
    let script = folder.join("grub.cfg");
    fs::write(&script, self::script(files))?;
    let core = folder.join("core.img");
    let mut make_core = Command::new("grub-mkimage");
    make_core.args(["--format=i386-pc", "--prefix=/", "--config"]);
    make_core.arg(&script).arg("--output").arg(&core);
    run(make_core.args(MODULES))?;
    let sector = Path::new(MODULES_FOLDER).join("boot.img");
    let sector = fs::read(&sector).with_context(|| format!("reading {}", sector.display()))?;
    let disk = [sector, fs::read(core)?].concat();
    fs::write(loader, disk).with_context(|| format!("writing {}", loader.display()))
}

/// What GRUB does.
fn script(files: &[(&str, &Path)]) -> String {
    let loads = files.iter().map(|(name, _)| {
        let load = if *name == "kernel" {
            "multiboot2"
        } else {
            "module2"
        };
        format!("{load} /{name}\n")
    });
    format!("set root=(hd1)\n{}boot\n", loads.collect::<String>())
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("starting {name}: run `cargo xtask setup`"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {errors}");
    Ok(())
}
