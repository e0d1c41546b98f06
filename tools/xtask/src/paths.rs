//! Where things are: the checkout, what is built, and the user's cache.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The places that the tasks use.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The checkout.
    pub root: PathBuf,
    /// Everything that is built.
    pub target: PathBuf,
    /// What is fetched, kept across checkouts.
    pub cache: PathBuf,
}

impl Paths {
    /// Finds them from where this program was built, and from the environment.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest
            .ancestors()
            .nth(2)
            .context("the checkout is two folders above this program's manifest")?
            .to_owned();
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |folder| root.join(folder));
        Ok(Self {
            root,
            target,
            cache: find_cache()?.join("bulkhead"),
        })
    }

    /// The target description of the bare machine.
    pub fn target_description(&self) -> PathBuf {
        self.root.join("x86_64-hv.json")
    }

    /// Where bare-metal builds go: apart, so that host builds do not evict them.
    pub fn bare(&self) -> PathBuf {
        self.target.join("bare")
    }

    /// The folder with the bare-metal ELF files.
    pub fn bare_output(&self) -> PathBuf {
        self.bare().join("x86_64-hv").join(crate::bare::PROFILE)
    }

    /// Bulkhead's kernel as the compiler has made it: one object file, not linked yet.
    pub fn kernel_object(&self) -> PathBuf {
        self.bare_output().join("bulkhead-kernel")
    }

    /// The script by which it is linked.
    pub fn kernel_script(&self) -> PathBuf {
        self.root.join("boot").join("kernel.ld")
    }

    /// The scripts that this one includes: they are made from the object file.
    pub fn kernel_scripts(&self) -> PathBuf {
        self.bare().join("scripts")
    }

    /// Bulkhead's kernel.
    pub fn kernel(&self) -> PathBuf {
        self.bare().join("bulkhead-kernel")
    }

    /// The user's tool.
    pub fn tool(&self) -> PathBuf {
        self.target.join("debug").join("bulkhead")
    }

    /// The example: its plan, the guests' images, the disks, the boot module.
    pub fn example(&self) -> PathBuf {
        self.target.join("example")
    }

    /// The logs of runs and of failed cases.
    pub fn logs(&self) -> PathBuf {
        self.target.join("emulator-logs")
    }
}

/// The user's cache (XDG Base Directory Specification 0.8, "Environment variables").
fn find_cache() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("XDG_CACHE_HOME").map(PathBuf::from)
        && folder.is_absolute()
    {
        return Ok(folder);
    }
    let home = env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache"))
}
