//! What a case has at hand.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::emulator::{Emulator, Software};
use crate::images;
use crate::machine::Machine;
use crate::platform::{Need, Platform};

/// What a case has at hand.
#[derive(Debug, Clone)]
pub struct Bench {
    /// What its machines are carried by.
    pub platform: Platform,
    /// Bulkhead's kernel.
    pub kernel: PathBuf,
    /// The folder with the test guests' ELF files.
    pub guests: PathBuf,
    /// The folder with a stock kernel, `vmlinuz`, and the initial RAM disk, `initrd.img`.
    pub linux: PathBuf,
    /// The user's tool.
    pub tool: PathBuf,
    /// The case's own folder, for logs and for what it makes.
    pub folder: PathBuf,
}

impl Bench {
    /// Whether the platform has `need`.
    pub const fn has(&self, need: Need) -> bool {
        self.platform.has(need)
    }

    /// The example machine without its functions.
    pub fn machine(&self) -> Machine {
        Machine::without_functions(self.platform.clone())
    }

    /// The example machine, with fresh NVMe images of the case's own.
    pub fn machine_with_nvme(&self) -> Result<Machine> {
        let folder = self.folder.join("images");
        images::create(&folder)?;
        Ok(self.machine().with_nvme(&folder))
    }

    /// Starts Bulkhead on `machine` with the plan in `source`, whose images are test guests,
    /// `guests/NAME`, or Linux', `linux/vmlinuz` and `linux/initrd.img`.
    pub fn start(&self, machine: &Machine, source: &str) -> Result<Emulator> {
        let module = self.compile(source)?;
        self.boot(machine, Some(self.write_module(&module)?))
    }

    /// Compiles the plan in `source` to a boot module.
    pub fn compile(&self, source: &str) -> Result<Vec<u8>> {
        self.link("guests", &self.guests)?;
        self.link("linux", &self.linux)?;
        let plan = self.folder.join("plan.toml");
        fs::write(&plan, source).with_context(|| format!("writing {}", plan.display()))?;
        Ok(crate::bundle::compile(&plan)?.bytes)
    }

    /// Writes `bytes` as the boot module.
    pub fn write_module(&self, bytes: &[u8]) -> Result<PathBuf> {
        let module = self.folder.join("bundle.img");
        fs::write(&module, bytes).with_context(|| format!("writing {}", module.display()))?;
        Ok(module)
    }

    /// Starts Bulkhead on `machine` with `module` as its boot module.
    pub fn boot(&self, machine: &Machine, module: Option<PathBuf>) -> Result<Emulator> {
        let software = Software {
            kernel: self.kernel.clone(),
            module,
        };
        Emulator::start(machine, &software, &self.folder)
    }

    /// A plan names its images relative to itself: make them stand beside it.
    fn link(&self, name: &str, folder: &Path) -> Result<()> {
        let link = self.folder.join(name);
        if !link.exists() {
            std::os::unix::fs::symlink(folder, &link)
                .with_context(|| format!("linking {}", link.display()))?;
        }
        Ok(())
    }
}
