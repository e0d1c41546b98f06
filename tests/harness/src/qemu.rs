//! A machine as QEMU's arguments.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::boot_disk;
use crate::emulator::{Software, leashed};
use crate::images;
use crate::machine::{Boot, Feature, Iommu, Machine};
use crate::platform::Platform;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// The model of its own processors.
const MODEL: &str = "EPYC-Rome,+x2apic,+vgif";

/// QEMU with `machine` and `software`: the serial line is its standard output, the monitor its
/// standard input, which must be a socket, and the second serial port listens at `channel`.
/// What it has to make goes into `folder`.
pub fn command(
    machine: &Machine,
    software: &Software,
    folder: &Path,
    channel: Option<&Path>,
) -> Result<Command> {
    let mut command = leashed(PROGRAM);
    command.args(arguments(machine));
    command.args(["-chardev", "file,id=console,path=/dev/stdout"]);
    command.args(["-serial", "chardev:console", "-monitor", "none"]);
    command.args(["-chardev", "socket,id=monitor,fd=0"]);
    command.args(["-mon", "chardev=monitor,mode=control"]);
    if let Some(channel) = channel {
        let path = escape(channel);
        command.arg("-chardev");
        command.arg(format!("socket,id=channel,path={path},server=on,wait=off"));
        command.args(["-serial", "chardev:channel"]);
    }
    match machine.boot {
        Boot::Direct => {
            command.arg("-kernel").arg(&software.kernel);
            if let Some(module) = &software.module {
                command.arg("-initrd").arg(module);
            }
        }
        Boot::Disk => {
            boot_disk::make(software, folder)?;
            for (index, name) in boot_disk::NAMES.iter().enumerate() {
                let file = escape(&folder.join(name));
                command.arg("-drive");
                command.arg(format!("file={file},if=none,id=boot{index},format=raw"));
                command.arg("-device");
                command.arg(format!("ide-hd,drive=boot{index},bus=ide.{index}"));
            }
        }
    }
    Ok(command)
}

/// The arguments for the hardware alone.
fn arguments(machine: &Machine) -> Vec<String> {
    let mut arguments = Vec::new();
    let (kind, accelerator, model) = match machine.platform {
        // VT-d remaps interrupts only where QEMU itself emulates the I/O APIC.
        Platform::Kvm => ("q35,kernel-irqchip=split", "kvm", "host"),
        // QEMU 10.0 ends with "Bad icount read" if RDMSR or WRMSR of the local APIC's timer is
        // not the last instruction of its block.
        _ if machine.counts_time => ("q35", "tcg,thread=single,one-insn-per-tb=on", MODEL),
        _ => ("q35", "tcg,thread=multi", MODEL),
    };
    // Of a feature that is both added and taken away, QEMU takes away.
    let without = match machine.without {
        Some(Feature::Virtualisation) => ",-svm,-vmx",
        Some(Feature::X2apic) => ",-x2apic",
        None => "",
    };
    push(&mut arguments, "-machine", kind);
    push(&mut arguments, "-accel", accelerator);
    if machine.counts_time {
        push(&mut arguments, "-icount", "shift=3,sleep=off");
    }
    push(&mut arguments, "-cpu", &format!("{model}{without}"));
    push(&mut arguments, "-smp", &machine.processors.to_string());
    push(
        &mut arguments,
        "-m",
        &format!("{}M", machine.memory_mebibytes),
    );
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        arguments.push(flag.to_owned());
    }
    push(&mut arguments, "-display", "none");
    push(
        &mut arguments,
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
    );
    push_iommu(&mut arguments, machine.iommu);
    if let Some(folder) = &machine.images {
        push_nvme(&mut arguments, folder);
    }
    arguments.extend(machine.extra.iter().cloned());
    arguments
}

fn push(arguments: &mut Vec<String>, option: &str, value: &str) {
    arguments.push(option.to_owned());
    arguments.push(value.to_owned());
}

fn push_iommu(arguments: &mut Vec<String>, iommu: Iommu) {
    let device = match iommu {
        Iommu::Remapping => "intel-iommu,intremap=on,eim=on,caching-mode=off",
        Iommu::TranslationOnly => "intel-iommu,intremap=off,caching-mode=off",
        Iommu::Absent => return,
    };
    push(arguments, "-device", device);
}

/// The NVMe subsystem: a physical function with namespace 1, and two further namespaces that
/// start detached, for the virtual functions.
fn push_nvme(arguments: &mut Vec<String>, folder: &Path) {
    // Firmware numbers buses port by port: the empty first port makes the second's bus 02.
    for number in [1, 2] {
        let port = format!(
            "pcie-root-port,id=rp{number},slot={number},chassis={number},bus=pcie.0,addr=0{number}.0"
        );
        push(arguments, "-device", &port);
    }
    push(arguments, "-device", "nvme-subsys,id=ss0,nqn=ss0");
    push(
        arguments,
        "-device",
        "nvme,bus=rp2,id=nv0,serial=bulkhead,subsys=ss0,sriov_max_vfs=4,\
         sriov_vq_flexible=12,sriov_vi_flexible=12,max_ioqpairs=16,msix_qsize=17",
    );
    for (index, namespace) in images::NAMESPACES.iter().enumerate() {
        let file = escape(&folder.join(namespace.file));
        push(
            arguments,
            "-drive",
            &format!("file={file},if=none,id=d{index},format=raw"),
        );
        push(
            arguments,
            "-device",
            &format!(
                "nvme-ns,drive=d{index},nsid={},bus=nv0,{}",
                namespace.identifier, namespace.attachment
            ),
        );
    }
}

/// A comma ends a value in QEMU's option syntax; doubled, it stands for itself.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Machine {
        Machine::without_functions(Platform::Tcg)
    }

    #[test]
    fn the_example_machine_has_three_namespaces() {
        let arguments = arguments(&plain().with_nvme(Path::new("images")));
        let namespaces = arguments.iter().filter(|a| a.starts_with("nvme-ns"));
        assert_eq!(namespaces.count(), 3);
    }

    #[test]
    fn a_machine_without_an_iommu_has_no_such_device() {
        let iommu = Iommu::Absent;
        let arguments = arguments(&Machine { iommu, ..plain() });
        assert!(!arguments.iter().any(|a| a.starts_with("intel-iommu")));
        assert!(!arguments.iter().any(|a| a.contains("nvme")));
    }

    #[test]
    fn the_hosts_processors_come_with_its_kvm() {
        let arguments = arguments(&Machine::without_functions(Platform::Kvm)).join(" ");
        assert!(arguments.contains("-accel kvm -cpu host -smp"));
        assert!(arguments.contains("kernel-irqchip=split"));
    }

    #[test]
    fn commas_in_a_path_are_doubled() {
        let arguments = arguments(&plain().with_nvme(Path::new("a,b")));
        assert!(arguments.iter().any(|a| a.contains("file=a,,b")));
    }
}
