//! From a plan's source to the boot module.

use std::path::Path;

use anyhow::{Result, anyhow};

/// A compiled plan with its images.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The boot module's bytes.
    pub bytes: Vec<u8>,
    /// The partitions' names, in the plan's order.
    pub partitions: Vec<String>,
    /// Whether there is a management channel.
    pub is_managed: bool,
}

/// Compiles the plan at `path` with the images that it names.
pub fn compile(path: &Path) -> Result<Compiled> {
    let compiled = plan::source::load(path).map_err(|report| anyhow!("{report}"))?;
    let partitions = compiled.plan.partitions.iter();
    Ok(Compiled {
        is_managed: compiled.plan.machine.management.is_some(),
        bytes: compiled.bundle(),
        partitions: partitions.map(|partition| partition.name.clone()).collect(),
    })
}
