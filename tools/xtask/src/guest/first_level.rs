//! The initial RAM disk of the machine that KVM is compared on: the guests' init program, which
//! is told to be the host (`bulkhead.mode=kvm-host`), the modules of KVM and VFIO, this
//! machine's QEMU with its libraries and firmware, and the guest's images.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::archive::Archive;
use harness::qemu;

use super::package::{self, KernelPackage, Selection};
use super::{Guest, make_archive, read};
use crate::command;
use crate::paths::Paths;
use crate::setup;

/// The same kernel package, with what a host needs.
const HOST: Selection = Selection {
    folder: "kernel-of-host",
    why: "the drivers of KVM and VFIO, for the comparison with them",
    drivers: &["nvme", "kvm-amd", "vfio-iommu-type1", "vfio-pci"],
};
/// QEMU's firmware: SeaBIOS, the smaller qboot, and what starts a Linux kernel.
const FIRMWARE: [&str; 4] = [
    "/usr/share/seabios/bios-256k.bin",
    "/usr/share/qemu/qboot.rom",
    "/usr/share/qemu/linuxboot_dma.bin",
    "/usr/share/qemu/kvmvapic.bin",
];
/// Where the guest's images are in the RAM disk.
pub const KERNEL: &str = "/host/vmlinuz";
/// Its initial RAM disk.
pub const INITIAL_RAMDISK: &str = "/host/initrd.img";
/// The socket for its serial port, which the init program listens at.
pub const SERIAL: &str = "/host/serial";
/// What QEMU is told.
const ARGUMENTS: &str = "/host/arguments";

/// What goes into the RAM disk, whatever QEMU is told.
#[derive(Debug)]
pub struct FirstLevel {
    package: KernelPackage,
    guest: Guest,
    programs: Vec<PathBuf>,
}

impl FirstLevel {
    /// Finds it all, and fetches what the cache lacks.
    pub fn find(paths: &Paths, guest: Guest) -> Result<Self> {
        let package = package::find(paths, &HOST)?;
        let qemu = setup::find_program(qemu::PROGRAM).context("QEMU is gone")?;
        let libraries = command::output(Command::new("ldd").arg(&qemu))?;
        ensure!(
            !libraries.contains("not found"),
            "QEMU lacks libraries: {libraries}"
        );
        let mut programs = parse_libraries(&libraries);
        programs.push(qemu);
        Ok(Self {
            package,
            guest,
            programs,
        })
    }

    /// The kernel.
    pub fn kernel(&self) -> &Path {
        &self.package.kernel
    }

    /// The name of the kernel's package.
    pub fn package_name(&self) -> String {
        let folder = self.package.kernel.parent().and_then(Path::file_name);
        folder.unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes a RAM disk in which QEMU is told `arguments`.
    pub fn write(&self, arguments: &[String], output: &Path) -> Result<()> {
        let mut files = Files::default();
        for program in &self.programs {
            // Libraries are found by their short names, which are links to what they are.
            files.programs.push((text(program)?, read(program)?));
        }
        for file in FIRMWARE {
            files.plain.push((file, read(Path::new(file))?));
        }
        files.plain.push((KERNEL, read(&self.guest.kernel)?));
        let ramdisk = read(&self.guest.initial_ramdisk)?;
        files.plain.push((INITIAL_RAMDISK, ramdisk));
        let mut lines = vec![text(self.programs.last().context("no QEMU")?)?.to_owned()];
        lines.extend_from_slice(arguments);
        files.plain.push((ARGUMENTS, lines.join("\n").into_bytes()));
        let mut archive = make_archive(&self.guest.init, &self.package)?;
        files.add_to(&mut archive)?;
        fs::write(output, archive.finish()?)
            .with_context(|| format!("writing {}", output.display()))
    }
}

/// Files by their absolute paths.
#[derive(Debug, Default)]
struct Files<'a> {
    programs: Vec<(&'a str, Vec<u8>)>,
    plain: Vec<(&'a str, Vec<u8>)>,
}

impl Files<'_> {
    fn add_to(&self, archive: &mut Archive) -> Result<()> {
        let paths = self.programs.iter().chain(&self.plain);
        let paths = paths.map(|(path, _)| Path::new(*path));
        // Of a folder in a folder, the outer one sorts first. QEMU writes to `/tmp`.
        let folders = paths.flat_map(|path| path.ancestors().skip(1));
        let mut folders: BTreeSet<_> = folders.filter(|path| *path != Path::new("/")).collect();
        folders.insert(Path::new("/tmp"));
        for folder in folders {
            archive.add_folder(relative(text(folder)?))?;
        }
        for (path, contents) in &self.programs {
            archive.add_program(relative(path), contents)?;
        }
        for (path, contents) in &self.plain {
            archive.add_file(relative(path), contents)?;
        }
        Ok(())
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not text", path.display()))
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// The paths in the lines of ldd(1): `name => path (address)`, or `path (address)`.
fn parse_libraries(text: &str) -> Vec<PathBuf> {
    let words = |line: &str| {
        let mut words = line.split_whitespace();
        words.find(|word| word.starts_with('/')).map(PathBuf::from)
    };
    text.lines().filter_map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_both_forms_of_line() {
        let text = "\tlinux-vdso.so.1 (0x00007fff)\n\tlibz.so.1 => /lib/libz.so.1 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = ["/lib/libz.so.1", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse_libraries(text), expected);
    }

    #[test]
    fn each_folder_comes_before_what_is_in_it() {
        let files = Files {
            programs: vec![("/usr/bin/a", Vec::new())],
            plain: vec![("/usr/share/b", Vec::new())],
        };
        let mut archive = Archive::default();
        files.add_to(&mut archive).unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let places = ["usr\0", "usr/bin\0", "usr/bin/a\0"].map(|name| text.find(name).unwrap());
        assert!(places.is_sorted(), "{places:?}");
    }
}
