//! Bochs, the emulator with VMX: built once from its source into the user's cache.
//!
//! Debian 12 packages an older Bochs, in which an INIT stays pending after its VM exit; Debian
//! 13 packages this one, but without a way to run it unseen. So it is built here, as small as
//! it goes: no window, no debugger, no plug-ins.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use super::{Need, find_program, sources};
use crate::command;
use crate::paths::Paths;
use crate::progress;

/// What builds Bochs, and the firmware that it runs.
const NEED: Need = Need {
    why: "the emulator with VMX (Bochs): its firmware, and what builds it",
    packages: &["g++", "make", "xz-utils", "bochsbios", "vgabios"],
    may_need_backports: false,
};
/// The programs among them.
const PROGRAMS: [&str; 3] = ["g++", "make", "xz"];

/// The version that is built.
const VERSION: &str = "3.0";
/// Its source in every archive of Debian's: as upstream has it, less what is not free.
const SOURCE: &str = "pool/main/b/bochs/bochs_3.0+dfsg.orig.tar.xz";
const SOURCE_SHA256: &str = "78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b";
/// The folder in the cache. Its last part counts the recipes below: a change of [`OPTIONS`]
/// raises it, so that nobody goes on with what an earlier one made.
const FOLDER: &str = "bochs-3.0-recipe-1";
/// What the source's `configure` is told.
const OPTIONS: [&str; 26] = [
    "--enable-smp",
    "--enable-cpu-level=6",
    "--enable-x86-64",
    "--enable-vmx=2",
    "--enable-svm",
    "--enable-pci",
    "--enable-fpu",
    "--enable-avx",
    "--enable-evex",
    "--enable-cet",
    "--enable-memtype",
    "--enable-protection-keys",
    "--enable-all-optimizations",
    "--enable-x86-debugger",
    "--enable-a20-pin",
    // Its alarm signal has once made a whole run stand still.
    "--disable-show-ips",
    "--disable-debugger",
    "--disable-plugins",
    "--disable-docbook",
    "--with-nogui",
    "--without-x11",
    "--without-wx",
    "--without-sdl",
    "--without-sdl2",
    "CFLAGS=-O2",
    "CXXFLAGS=-O2",
];
/// Fetches as apt does: by its settings, and with the sum checked.
const FETCHER: &str = "/usr/lib/apt/apt-helper";
/// How many lines of the log a failure repeats.
const LAST_LINES: usize = 10;

/// What is missing to build Bochs and to run it.
pub fn missing() -> Vec<Need> {
    let programs = PROGRAMS.iter().all(|name| find_program(name).is_some());
    let firmware = harness::bochs::FIRMWARE.iter();
    let is_there = programs && firmware.map(Path::new).all(Path::exists);
    if is_there { Vec::new() } else { vec![NEED] }
}

/// The program, built if the cache lacks it.
pub fn find(paths: &Paths) -> Result<PathBuf> {
    let folder = paths.cache.join(FOLDER);
    if !folder.exists() {
        build(&paths.cache, &folder)?;
    }
    Ok(folder.join("bochs"))
}

/// Builds beside the folder, which appears whole or not at all.
fn build(cache: &Path, folder: &Path) -> Result<()> {
    let draft = cache.join(format!("bochs-draft-{}", std::process::id()));
    let _ = fs::remove_dir_all(&draft);
    fs::create_dir_all(&draft).with_context(|| format!("making {}", draft.display()))?;
    let log = cache.join("bochs-build.log");
    let outcome = build_in(&draft, &log).and_then(|result| {
        fs::rename(result, folder).context("moving Bochs into the cache")?;
        Ok(())
    });
    fs::remove_dir_all(&draft)?;
    // Another checkout may have been quicker: then its result serves as well.
    outcome.or_else(|error| if folder.exists() { Ok(()) } else { Err(error) })
}

fn build_in(draft: &Path, log: &Path) -> Result<PathBuf> {
    let archive = draft.join("bochs.tar.xz");
    progress::step("Fetching", &format!("the source of Bochs {VERSION}"));
    fetch(&archive)?;
    progress::step(
        "Building",
        &format!(
            "Bochs {VERSION}, once, in one to three minutes; log: {}",
            log.display()
        ),
    );
    let tree = draft.join("tree");
    fs::create_dir(&tree)?;
    command::run(
        Command::new("tar")
            .args(["--strip-components=1", "-xf"])
            .arg(&archive)
            .arg("-C")
            .arg(&tree),
    )?;
    let output = File::create(log).with_context(|| format!("making {}", log.display()))?;
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut configure = command::new("./configure", &tree);
    let mut make = command::new("make", &tree);
    for step in [
        configure.args(OPTIONS),
        make.arg(format!("-j{jobs}")).arg("bochs"),
    ] {
        logged(step, &output).with_context(|| explain(log))?;
    }
    let result = draft.join("result");
    fs::create_dir(&result)?;
    fs::copy(tree.join("bochs"), result.join("bochs")).context("Bochs' build made no program")?;
    Ok(result)
}

/// Fetches the source from the machine's own mirrors.
fn fetch(archive: &Path) -> Result<()> {
    if !Path::new(FETCHER).exists() {
        bail!("there is no {FETCHER} to fetch Bochs' source; Debian 12 or a compatible system has");
    }
    let apt = Path::new(sources::APT);
    let mirrors = sources::mirrors(apt, &sources::own_codename()?)?;
    let mut outcome = Err(anyhow!("apt's sources name no archive of this release"));
    for mirror in mirrors {
        outcome = fetch_from(&format!("{mirror}/{SOURCE}"), archive);
        if outcome.is_ok() {
            return outcome;
        }
    }
    outcome.context("Bochs' source cannot be had; see that apt reaches Debian's archive")
}

fn fetch_from(address: &str, archive: &Path) -> Result<()> {
    let mut fetch = Command::new(FETCHER);
    // Its own user could not write into the cache.
    fetch.args(["-o", "APT::Sandbox::User=root", "-q", "download-file"]);
    fetch.arg(address).arg(archive);
    fetch.arg(format!("SHA256:{SOURCE_SHA256}"));
    command::output(&mut fetch).map(drop)
}

/// Runs a step of the build with all that it prints in the log.
fn logged(step: &mut Command, log: &File) -> Result<()> {
    step.stdin(Stdio::null()).stdout(log.try_clone()?);
    command::run(step.stderr(log.try_clone()?))
}

/// What went wrong by the log's last lines, and what to do.
fn explain(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(LAST_LINES);
    let last = lines.get(from..).unwrap_or_default().join("\n    ");
    format!(
        "Bochs could not be built. The last lines of {}:\n    {last}\nInstall or repair what \
         they name and run the same command again; `cargo xtask run` works without Bochs",
        log.display()
    )
}
