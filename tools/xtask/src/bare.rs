//! Builds for the bare machine.

use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::paths::Paths;
use crate::progress;
use crate::text;
use crate::toolchain::Toolchain;

/// The packages that run without an operating system.
pub const PACKAGES: [&str; 3] = ["boot", "kernel", "test-guests"];

/// The profile of the workspace for what runs there, and the folder that it builds into.
pub const PROFILE: &str = "bare";

/// Builds Bulkhead's kernel, laid out by how long its functions are needed.
pub fn build_kernel(paths: &Paths, toolchain: &Toolchain) -> Result<()> {
    progress::step("Building", "Bulkhead's kernel");
    build(paths, toolchain, "kernel")?;
    text::link(paths)
}

/// Builds the test guests.
pub fn build_test_guests(paths: &Paths, toolchain: &Toolchain) -> Result<()> {
    progress::step("Building", "the test guests");
    build(paths, toolchain, "test-guests")
}

/// A cargo command for the bare machine.
pub fn cargo(paths: &Paths, toolchain: &Toolchain, task: &str) -> Command {
    let mut cargo = toolchain.cargo(paths);
    cargo
        .args([task, "--quiet", "-Zjson-target-spec"])
        .arg("-Zbuild-std=core,alloc,compiler_builtins")
        .arg("-Zbuild-std-features=compiler-builtins-mem")
        .arg("--target")
        .arg(paths.target_description())
        .arg("--target-dir")
        .arg(paths.bare());
    cargo
}

fn build(paths: &Paths, toolchain: &Toolchain, package: &str) -> Result<()> {
    let mut cargo = cargo(paths, toolchain, "build");
    command::run(cargo.args(["--profile", PROFILE, "--package", package]))
}
