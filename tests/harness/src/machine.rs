//! What is to be emulated.
//!
//! Key type: [`Machine`], the hardware and what carries it. The example machine is the one
//! that every plan in the documentation is written for: q35 with four processors, 2 GiB, VT-d
//! and an NVMe physical function at 02:00.0 with four virtual functions and three namespaces.
//! Bochs has the processors and the memory of it, and no more.

use std::path::{Path, PathBuf};

use crate::platform::Platform;

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

/// A feature of the processors that a machine can be made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// SVM or VMX.
    Virtualisation,
    /// The local APIC's x2APIC mode.
    X2apic,
}

/// How the kernel gets into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// The emulator puts it there and starts it by its PVH note.
    Direct,
    /// Firmware starts GRUB from a disk, and GRUB the kernel by Multiboot2.
    Disk,
}

/// One emulated machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What carries it.
    pub platform: Platform,
    /// How many logical processors, with APIC IDs from 0.
    pub processors: u32,
    /// A feature that they lack.
    pub without: Option<Feature>,
    /// Main memory in mebibytes.
    pub memory_mebibytes: u32,
    /// The I/O memory management unit.
    pub iommu: Iommu,
    /// The folder with the NVMe namespaces' images; `None` leaves the NVMe controller out.
    pub images: Option<PathBuf>,
    /// How the kernel gets into memory.
    pub boot: Boot,
    /// QEMU's own processors only: time is a count of instructions, so that two runs are equal.
    /// Slow, for bare guests.
    pub counts_time: bool,
    /// Further arguments for QEMU, as they are: a plugin, for one.
    pub extra: Vec<String>,
}

impl Machine {
    /// The example machine on `platform`, as far as it goes there without functions.
    pub fn without_functions(platform: Platform) -> Self {
        let (memory_mebibytes, iommu, boot) = match platform {
            Platform::Tcg | Platform::Kvm => (2048, Iommu::Remapping, Boot::Direct),
            // The second gigabyte costs each boot almost a second.
            Platform::Bochs(_) => (1024, Iommu::Absent, Boot::Disk),
        };
        Self {
            platform,
            processors: 4,
            without: None,
            memory_mebibytes,
            iommu,
            images: None,
            boot,
            counts_time: false,
            extra: Vec::new(),
        }
    }

    /// The same machine with the NVMe controller, whose images are in the folder `images`.
    #[must_use]
    pub fn with_nvme(self, images: &Path) -> Self {
        Self {
            images: Some(images.to_owned()),
            ..self
        }
    }
}
