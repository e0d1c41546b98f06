//! What carries an emulated machine.
//!
//! Key types: [`Platform`] and [`Need`], what not every platform has. From the two follows
//! where a case can run, and why not where it cannot.

use std::path::PathBuf;

/// What carries the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Platform {
    /// QEMU's own processors: AMD's with SVM, beside Intel's VT-d.
    Tcg,
    /// The host's processors, through QEMU and the host's KVM.
    Kvm,
    /// Bochs, by this program: Intel's processors with VMX, in a PC of before PCI Express.
    Bochs(PathBuf),
}

/// Something that not every platform has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// An NVMe controller with virtual functions.
    Nvme,
    /// An I/O memory management unit.
    Iommu,
    /// A monitor, which looks at the machine from outside and raises faults in it.
    Monitor,
    /// A machine that can be had without a programmable interval timer.
    NoTimer,
    /// As many processors as a large server has.
    Processors,
}

impl Platform {
    /// The name in reports: the emulator and the processor's extension.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcg => "qemu-svm",
            Self::Kvm => "qemu-kvm",
            Self::Bochs(_) => "bochs-vmx",
        }
    }

    /// What is in the way of something that needs `need`; `None` if nothing is.
    pub const fn lack(&self, need: Need) -> Option<&'static str> {
        match (self, need) {
            (Self::Tcg | Self::Kvm, _) => None,
            (Self::Bochs(_), Need::Nvme) => Some("no PCI Express, so no functions to give"),
            (Self::Bochs(_), Need::Iommu) => Some("no IOMMU"),
            (Self::Bochs(_), Need::Monitor) => Some("no monitor to look from outside"),
            (Self::Bochs(_), Need::Processors) => Some("few processors, as built"),
            (Self::Bochs(_), Need::NoTimer) => Some("no way to leave the PIT out"),
        }
    }

    /// Whether it has `need`.
    pub const fn has(&self, need: Need) -> bool {
        self.lack(need).is_none()
    }

    /// How many times longer than under TCG everything may take: Bochs runs all processors on
    /// one of the host's.
    pub const fn patience(&self) -> u32 {
        match self {
            Self::Tcg | Self::Kvm => 1,
            Self::Bochs(_) => 4,
        }
    }
}
