//! Bulkhead starts by Multiboot2 too, as administrators start it: by GRUB, which the
//! machine's BIOS runs.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use harness::{Bench, Machine};

use crate::bundles;
use crate::plans;
use crate::transcript::Transcript;

/// GRUB's folder of modules for BIOS machines, and what it needs of it: a disk that is a tar
/// archive, and Multiboot2.
const GRUB: &str = "/usr/lib/grub/i386-pc";
const MODULES: [&str; 5] = ["normal", "biosdisk", "tar", "multiboot2", "echo"];
/// What GRUB does.
const SCRIPT: &str = "set root=(hd0)\n\
                      multiboot2 /kernel\n\
                      module2 /bundle.img\n\
                      boot\n";

/// GRUB loads kernel and bundle from a disk and starts them; both partitions pass.
pub fn grub_starts_it(bench: &Bench) -> Result<()> {
    let bytes = bundles::compile(bench, plans::TWO_HELLOS)?;
    bundles::write(bench, &bytes)?;
    fs::copy(&bench.kernel, bench.folder.join("kernel"))?;
    run(Command::new("tar")
        .args(["--format=ustar", "-cf", "disk.tar", "kernel", "bundle.img"])
        .current_dir(&bench.folder))?;
    let grub = Bench {
        kernel: make_grub(&bench.folder)?,
        ..bench.clone()
    };
    let disk = bench.folder.join("disk.tar");
    let disk = disk.to_string_lossy().replace(',', ",,");
    let machine = Machine {
        extra: vec![
            "-drive".to_owned(),
            format!("file={disk},if=none,id=boot,format=raw"),
            "-device".to_owned(),
            "ide-hd,drive=boot".to_owned(),
        ],
        ..Machine::without_devices()
    };
    let mut emulator = grub.boot(&machine, None)?;
    let transcript = Transcript::to_the_end(&mut emulator)?;
    transcript.ensure_passed("alpha", "hello")?;
    transcript.ensure_passed("beta", "hello")
}

/// GRUB in the form of a Linux kernel, which QEMU's `-kernel` starts without a boot sector.
fn make_grub(folder: &Path) -> Result<std::path::PathBuf> {
    let loader = Path::new(GRUB).join("lnxboot.img");
    ensure!(
        loader.exists(),
        "there is no {}; install grub-pc-bin",
        loader.display()
    );
    let script = folder.join("grub.cfg");
    fs::write(&script, SCRIPT)?;
    let core = folder.join("core.img");
    run(Command::new("grub-mkimage")
        .args(["--format=i386-pc", "--prefix=/", "--config"])
        .arg(&script)
        .arg("--output")
        .arg(&core)
        .args(MODULES))?;
    let mut image = fs::read(loader)?;
    image.extend(fs::read(core)?);
    let path = folder.join("grub.img");
    fs::write(&path, image)?;
    Ok(path)
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("starting {name}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {errors}");
    Ok(())
}
