//! The machines that a user can choose, and what it takes to have them.

use anyhow::Result;
use clap::ValueEnum;
use harness::{Platform, bochs, kvm};

use crate::paths::Paths;
use crate::setup;

/// A machine by the name that a user gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// QEMU with emulated processors: SVM, VT-d and NVMe virtual functions
    Qemu,
    /// Bochs: VMX, and no functions to give away
    Bochs,
    /// QEMU with this host's processors, by KVM that offers virtualisation in turn
    Kvm,
}

impl Choice {
    /// Makes sure that the machine can be had. Only Bochs is built for it.
    pub fn provide(self, paths: &Paths) -> Result<Platform> {
        match self {
            Self::Qemu => Ok(Platform::Tcg),
            Self::Bochs => {
                let program = setup::bochs(paths)?;
                bochs::check(&program)?;
                Ok(Platform::Bochs(program))
            }
            Self::Kvm => {
                kvm::check()?;
                Ok(Platform::Kvm)
            }
        }
    }
}
