//! The images behind the NVMe controller's namespaces: raw, sparse files.

use std::fs::{self, OpenOptions};
use std::path::Path;

use anyhow::{Context, Result};

/// One namespace of the example machine's NVMe subsystem.
#[derive(Debug)]
pub struct Namespace {
    /// The image's file name.
    pub file: &'static str,
    /// The namespace identifier.
    pub identifier: u32,
    /// QEMU's words for whether it is attached to the physical function.
    pub attachment: &'static str,
}

/// Every namespace's size.
pub const NAMESPACE_BYTES: u64 = 256 * 1024 * 1024;

/// All namespaces: the first is the physical function's, the others are for virtual functions.
pub const NAMESPACES: [Namespace; 3] = [
    Namespace {
        file: "nvme0.img",
        identifier: 1,
        attachment: "shared=off",
    },
    Namespace {
        file: "nvme1.img",
        identifier: 2,
        attachment: "shared=on,detached=on",
    },
    Namespace {
        file: "nvme2.img",
        identifier: 3,
        attachment: "shared=on,detached=on",
    },
];

/// Makes the images that `folder` lacks; those that are there keep their contents.
pub fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    for namespace in &NAMESPACES {
        let path = folder.join(namespace.file);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        file.set_len(NAMESPACE_BYTES)
            .with_context(|| format!("sizing {}", path.display()))?;
    }
    Ok(())
}
