//! What QEMU is to emulate, and the arguments that say so.
//!
//! Key types: [`Machine`] and [`Iommu`]. The example machine is the one that every plan in
//! the documentation is written for: q35 under TCG with SVM, four processors, 2 GiB, VT-d and
//! an NVMe physical function at 02:00.0 with four virtual functions and three namespaces.

use std::path::{Path, PathBuf};

use crate::images;

/// Whether the machine has an I/O memory management unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Iommu {
    /// VT-d with interrupt remapping and extended interrupt mode.
    Remapping,
    /// VT-d that translates, but does not remap interrupts.
    TranslationOnly,
    /// None at all.
    Absent,
}

/// One emulated machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// QEMU's `-cpu`: a model and its features.
    pub processor: String,
    /// How many logical processors, with APIC IDs from 0.
    pub processors: u32,
    /// Main memory in mebibytes.
    pub memory_mebibytes: u32,
    /// The I/O memory management unit.
    pub iommu: Iommu,
    /// The folder with the NVMe namespaces' images; `None` leaves the NVMe controller out.
    pub images: Option<PathBuf>,
    /// Counts instructions instead of time, so that two runs are alike. Bare guests only:
    /// a Linux in x2APIC mode makes QEMU 10.0 abort ("Bad icount read").
    pub deterministic: bool,
    /// Further arguments, as they are: a plugin, for one.
    pub extra: Vec<String>,
}

impl Machine {
    /// The example machine, with the NVMe images of `images`.
    pub fn example(images: &Path) -> Self {
        Self {
            processor: "EPYC-Rome,+x2apic,+vgif".to_owned(),
            processors: 4,
            memory_mebibytes: 2048,
            iommu: Iommu::Remapping,
            images: Some(images.to_owned()),
            deterministic: false,
            extra: Vec::new(),
        }
    }

    /// The example machine's processors and memory, without its NVMe controller.
    pub fn without_devices() -> Self {
        Self {
            images: None,
            ..Self::example(Path::new(""))
        }
    }

    /// The same machine with the processor `model`.
    #[must_use]
    pub fn with_processor(self, model: &str) -> Self {
        Self {
            processor: model.to_owned(),
            ..self
        }
    }

    /// The same machine with another I/O memory management unit, or none.
    #[must_use]
    pub fn with_iommu(self, iommu: Iommu) -> Self {
        Self { iommu, ..self }
    }

    /// QEMU's arguments for the hardware; software, serial line and monitor are not in them.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        push(&mut arguments, "-machine", "q35");
        if self.deterministic {
            push(&mut arguments, "-accel", "tcg,thread=single");
            push(&mut arguments, "-icount", "shift=3,sleep=off");
        } else {
            push(&mut arguments, "-accel", "tcg,thread=multi");
        }
        push(&mut arguments, "-cpu", &self.processor);
        push(&mut arguments, "-smp", &self.processors.to_string());
        push(&mut arguments, "-m", &format!("{}M", self.memory_mebibytes));
        for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            arguments.push(flag.to_owned());
        }
        push(&mut arguments, "-display", "none");
        push(
            &mut arguments,
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
        );
        self.push_iommu(&mut arguments);
        if let Some(folder) = &self.images {
            push_nvme(&mut arguments, folder);
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    fn push_iommu(&self, arguments: &mut Vec<String>) {
        let device = match self.iommu {
            Iommu::Remapping => "intel-iommu,intremap=on,eim=on,caching-mode=off",
            Iommu::TranslationOnly => "intel-iommu,intremap=off,caching-mode=off",
            Iommu::Absent => return,
        };
        push(arguments, "-device", device);
    }
}

fn push(arguments: &mut Vec<String>, option: &str, value: &str) {
    arguments.push(option.to_owned());
    arguments.push(value.to_owned());
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
        let file = folder.join(namespace.file);
        // A comma ends a value in QEMU's option syntax; doubled, it stands for itself.
        let file = file.to_string_lossy().replace(',', ",,");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_machine_has_three_namespaces() {
        let arguments = Machine::example(Path::new("images")).arguments();
        let namespaces = arguments.iter().filter(|a| a.starts_with("nvme-ns"));
        assert_eq!(namespaces.count(), 3);
    }

    #[test]
    fn a_machine_without_an_iommu_has_no_such_device() {
        let machine = Machine::without_devices().with_iommu(Iommu::Absent);
        let arguments = machine.arguments();
        assert!(!arguments.iter().any(|a| a.starts_with("intel-iommu")));
        assert!(!arguments.iter().any(|a| a.contains("nvme")));
    }

    #[test]
    fn commas_in_a_path_are_doubled() {
        let arguments = Machine::example(Path::new("a,b")).arguments();
        assert!(arguments.iter().any(|a| a.contains("file=a,,b")));
    }
}
