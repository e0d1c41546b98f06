//! Boot modules that no tool would make.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use harness::Bench;

/// Compiles the plan in `source`, whose images are test guests.
pub fn compile(bench: &Bench, source: &str) -> Result<Vec<u8>> {
    let link = bench.folder.join("guests");
    if !link.exists() {
        std::os::unix::fs::symlink(&bench.guests, &link)
            .with_context(|| format!("linking {}", link.display()))?;
    }
    let plan = bench.folder.join("plan.toml");
    fs::write(&plan, source).with_context(|| format!("writing {}", plan.display()))?;
    Ok(harness::bundle::compile(&plan)?.bytes)
}

/// Writes `bytes` as the boot module.
pub fn write(bench: &Bench, bytes: &[u8]) -> Result<PathBuf> {
    let module = bench.folder.join("bundle.img");
    fs::write(&module, bytes).with_context(|| format!("writing {}", module.display()))?;
    Ok(module)
}
