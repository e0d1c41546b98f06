//! A machine as Bochs' configuration, and whether Bochs can carry it.
//!
//! Bochs 3.0, "bochsrc" in its user manual. It is a PC of before PCI Express: i440FX, no
//! IOMMU, no message-signalled interrupts. It starts nothing but a disk.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::boot_disk;
use crate::emulator::{Software, leashed};
use crate::machine::{Boot, Feature, Iommu, Machine};

/// Debian's files of the packages `bochsbios` and `vgabios`.
pub const FIRMWARE: [&str; 2] = [
    "/usr/share/bochs/BIOS-bochs-latest",
    "/usr/share/vgabios/vgabios.bin",
];

/// The model of the processors: EPT, VPID, unrestricted guests, x2APIC, TSC deadline.
const MODEL: &str = "tigerlake";
/// The emulated clock: so many instructions of a processor are a second. At a lower rate
/// seconds are cheaper, but a Linux boot takes more of them: at 20 million its watchdogs
/// report lock-ups, and at 50 million a guest of two cores sends twice the inter-processor
/// interrupts. At a higher one whoever waits for the serial line, whose speed is in seconds,
/// waits longer.
const INSTRUCTIONS_A_SECOND: u32 = 100_000_000;
/// The configuration's file, in the run's folder.
const CONFIGURATION: &str = "bochsrc";

/// Bochs by its `program`, with `machine` and `software`: the serial line is its standard
/// output, and the second one connects to the TCP port `channel`. What it has to make goes into
/// `folder`.
pub fn command(
    program: &Path,
    machine: &Machine,
    software: &Software,
    (folder, channel): (&Path, u16),
) -> Result<Command> {
    let text = configuration(machine, channel)?;
    let file = folder.join(CONFIGURATION);
    fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    boot_disk::make(software, folder)?;
    for name in boot_disk::NAMES {
        // Left by a run that was killed, it would keep this one from its disk.
        let _ = fs::remove_file(folder.join(format!("{name}.lock")));
    }
    let mut command = leashed(program);
    // The configuration's paths are relative: its syntax cannot quote every path.
    command.args(["-q", "-f", CONFIGURATION]);
    command.current_dir(folder);
    Ok(command)
}

/// Checks that `program` runs and knows the processors' model, and that its firmware is there.
pub fn check(program: &Path) -> Result<()> {
    let remedy = "run `cargo xtask setup`";
    for file in FIRMWARE {
        ensure!(
            Path::new(file).exists(),
            "Bochs' firmware {file} is not there: {remedy}"
        );
    }
    let output = Command::new(program)
        .args(["--help", "cpu"])
        .output()
        .with_context(|| format!("starting {}: {remedy}", program.display()))?;
    let models = String::from_utf8_lossy(&output.stderr);
    if !models.lines().any(|line| line == MODEL) {
        bail!(
            "{} does not know the processor {MODEL}: {remedy}",
            program.display()
        );
    }
    Ok(())
}

fn configuration(machine: &Machine, channel: u16) -> Result<String> {
    let is_carried = machine.boot == Boot::Disk
        && machine.iommu == Iommu::Absent
        && machine.images.is_none()
        && machine.extra.is_empty();
    ensure!(is_carried, "Bochs cannot carry this machine: {machine:?}");
    let without = match machine.without {
        Some(Feature::Virtualisation) => ", exclude_features=\"vmx\"",
        Some(Feature::X2apic) => ", exclude_features=\"x2apic\"",
        None => "",
    };
    let Machine {
        processors,
        memory_mebibytes: memory,
        ..
    } = machine;
    let [bios, video] = FIRMWARE;
    let [loader, files] = boot_disk::NAMES;
    Ok(format!(
        "config_interface: textconfig\n\
         display_library: nogui\n\
         cpu: model={MODEL}, count={processors}, ips={INSTRUCTIONS_A_SECOND}, \
         reset_on_triple_fault=0{without}\n\
         memory: guest={memory}, host={memory}\n\
         romimage: file={bios}\n\
         vgaromimage: file={video}\n\
         pci: enabled=1, chipset=i440fx\n\
         ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n\
         ata0-master: type=disk, mode=flat, path={loader}\n\
         ata0-slave: type=disk, mode=flat, path={files}\n\
         boot: disk\n\
         com1: enabled=1, mode=file, dev=/dev/stdout\n\
         com2: enabled=1, mode=socket-client, dev=localhost:{channel}\n\
         clock: sync=none, time0=946681200\n\
         log: /dev/stderr\n\
         panic: action=fatal\n\
         error: action=ignore\n\
         info: action=ignore\n\
         debug: action=ignore\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Platform;

    const CHANNEL: u16 = 1;

    fn machine() -> Machine {
        Machine::without_functions(Platform::Bochs("bochs".into()))
    }

    #[test]
    fn a_feature_can_be_left_out() {
        let without = Some(Feature::Virtualisation);
        let lacking = Machine {
            without,
            ..machine()
        };
        let text = configuration(&lacking, CHANNEL).unwrap();
        assert!(text.contains("exclude_features=\"vmx\""), "{text}");
        let text = configuration(&machine(), CHANNEL).unwrap();
        assert!(!text.contains("exclude"));
    }

    #[test]
    fn what_bochs_lacks_is_refused_and_not_left_out() {
        let with_iommu = Machine {
            iommu: Iommu::Remapping,
            ..machine()
        };
        assert!(configuration(&with_iommu, CHANNEL).is_err());
        let with_nvme = machine().with_nvme(Path::new("images"));
        assert!(configuration(&with_nvme, CHANNEL).is_err());
    }
}
