//! `cargo xtask lint`: format, clippy on host and bare crates, lengths, the places of
//! `unsafe`, and the layers. Every step runs, so that one look shows all that is wrong.

mod layers;
mod lengths;
mod sources;
mod unsafe_files;

use anyhow::Result;

use crate::bare;
use crate::command;
use crate::paths::Paths;
use crate::progress;
use crate::setup;

/// Runs every step and returns whether all are content.
pub fn run(paths: &Paths) -> Result<bool> {
    let toolchain = setup::run(paths)?;
    progress::step("Linting", "format");
    let mut ok =
        command::succeeds(command::new("cargo", &paths.root).args(["fmt", "--all", "--check"]))?;
    progress::step("Linting", "what runs on the host");
    ok &= lint_host(paths)?;
    for package in bare::PACKAGES {
        progress::step("Linting", package);
        let mut cargo = bare::cargo(paths, &toolchain, "clippy");
        cargo.args(["--release", "--package", package]);
        ok &= command::succeeds(cargo.args(["--", "-D", "warnings"]))?;
    }
    progress::step("Linting", "lengths, places of `unsafe`, layers");
    let sources = sources::read(&paths.root)?;
    let mut findings = lengths::check(&sources);
    match unsafe_files::check(&paths.root, &sources) {
        Ok(more) => findings.extend(more),
        Err(error) => findings.push(format!("{error:#}")),
    }
    findings.extend(layers::check(paths)?);
    for finding in &findings {
        println!("{finding}");
    }
    ok &= findings.is_empty();
    progress::step("Linted", if ok { "nothing is wrong" } else { "see above" });
    Ok(ok)
}

fn lint_host(paths: &Paths) -> Result<bool> {
    let mut cargo = command::new("cargo", &paths.root);
    cargo.args(["clippy", "--quiet", "--workspace", "--all-targets"]);
    for package in bare::PACKAGES {
        cargo.args(["--exclude", package]);
    }
    command::succeeds(cargo.args(["--", "-D", "warnings"]))
}
