//! Installs Debian's packages, or says exactly what to type.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Need, find_program, sources};
use crate::command;
use crate::progress;

/// The oldest package of the emulator that will do.
const OLDEST_QEMU: &str = "1:9.0";

/// Installs what the needs name.
pub fn install(needs: &[Need]) -> Result<()> {
    if find_program("apt-get").is_none() {
        let packages = list(needs).join(" ");
        bail!("this machine has no apt; install what these Debian packages hold: {packages}");
    }
    let administrator = Administrator::find(needs)?;
    progress::step("Updating", "the package lists (apt-get update)");
    administrator.run(&["apt-get", "-qq", "update"])?;
    for need in needs {
        let mut arguments = vec!["apt-get", "-qq", "-y", "--no-install-recommends"];
        let suite = backports_suite(need, &administrator)?;
        if let Some(suite) = &suite {
            arguments.extend(["-t", suite]);
        }
        arguments.push("install");
        arguments.extend(need.packages);
        let packages = need.packages.join(" ");
        let from = suite
            .as_ref()
            .map_or_else(String::new, |suite| format!(" from {suite}"));
        progress::step("Installing", &format!("{packages}{from}: {}", need.why));
        administrator.run(&arguments)?;
    }
    Ok(())
}

/// Brings the package lists up to date.
pub fn update() -> Result<()> {
    Administrator::find(&[])?.run(&["apt-get", "-qq", "update"])
}

/// The backports suite, where the machine's own suites have only an older version; its
/// source is added first if need be.
fn backports_suite(need: &Need, administrator: &Administrator) -> Result<Option<String>> {
    let Some(package) = need.packages.first().filter(|_| need.may_need_backports) else {
        return Ok(None);
    };
    let candidate = candidate(package)?;
    if is_new_enough(&candidate)? {
        return Ok(None);
    }
    let codename = sources::own_codename()?;
    let suite = format!("{codename}-backports");
    progress::step(
        "Adding",
        &format!("{suite}: {package} {candidate} is older than {OLDEST_QEMU}"),
    );
    if !has_suite(&suite)? {
        let source = sources::backports(Path::new(sources::APT), &codename)?;
        administrator.write(&source.path, &source.text)?;
        administrator.run(&["apt-get", "-qq", "update"])?;
    }
    Ok(Some(suite))
}

/// The version that apt would install; empty if there is none.
fn candidate(package: &str) -> Result<String> {
    let policy = command::output(
        Command::new("apt-cache")
            .env("LC_ALL", "C")
            .args(["policy", package]),
    )?;
    let line = policy
        .lines()
        .find_map(|l| l.trim().strip_prefix("Candidate:"));
    Ok(line.map(str::trim).unwrap_or_default().to_owned())
}

fn is_new_enough(version: &str) -> Result<bool> {
    command::succeeds(Command::new("dpkg").args(["--compare-versions", version, "ge", OLDEST_QEMU]))
}

fn has_suite(suite: &str) -> Result<bool> {
    let policy = command::output(Command::new("apt-cache").env("LC_ALL", "C").arg("policy"))?;
    Ok(policy.contains(&format!("n={suite},")) || policy.contains(&format!("a={suite},")))
}

fn list(needs: &[Need]) -> Vec<&'static str> {
    needs
        .iter()
        .flat_map(|need| need.packages)
        .copied()
        .collect()
}

/// The way to do what only root may.
#[derive(Debug, Clone, Copy)]
enum Administrator {
    /// We are root.
    Root,
    /// `sudo` lets us without a question.
    Sudo,
}

impl Administrator {
    fn find(needs: &[Need]) -> Result<Self> {
        let user = command::output(Command::new("id").arg("-u"))?;
        if user.trim() == "0" {
            return Ok(Self::Root);
        }
        let may = find_program("sudo").is_some()
            && command::output(Command::new("sudo").args(["-n", "true"])).is_ok();
        if may {
            return Ok(Self::Sudo);
        }
        bail!("{}", instructions(needs));
    }

    fn command(self, program: &str) -> Command {
        match self {
            Self::Root => Command::new(program),
            Self::Sudo => {
                let mut command = Command::new("sudo");
                command.args(["-n", "--preserve-env=DEBIAN_FRONTEND", program]);
                command
            }
        }
    }

    fn run(self, words: &[&str]) -> Result<()> {
        let (program, arguments) = words.split_first().context("no program was named")?;
        let mut command = self.command(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        // What apt prints is progress, not this program's output.
        command.stdout(std::io::stderr());
        command::run(command.args(arguments))
    }

    fn write(self, path: &Path, text: &str) -> Result<()> {
        let draft = std::env::temp_dir().join(format!("bulkhead-{}", std::process::id()));
        std::fs::write(&draft, text).with_context(|| format!("writing {}", draft.display()))?;
        let (from, to) = (draft.to_string_lossy(), path.to_string_lossy());
        let result = self.run(&["install", "-m", "0644", &from, &to]);
        std::fs::remove_file(&draft)?;
        result
    }
}

/// What to type where neither root nor sudo is at hand.
fn instructions(needs: &[Need]) -> String {
    let mut text = String::from("this user may not install packages. As root, type:\n");
    let (from_backports, plain): (Vec<_>, Vec<_>) =
        needs.iter().partition(|need| need.may_need_backports);
    let packages = |needs: &[Need]| list(needs).join(" ");
    if !plain.is_empty() {
        text.push_str(&format!("    apt-get install {}\n", packages(&plain)));
    }
    if !from_backports.is_empty() {
        let line = packages(&from_backports);
        text.push_str(&format!(
            "    apt-get install {line}\n  where that is older than {OLDEST_QEMU}, add your \
             suite's backports to apt's sources and type:\n    \
             apt-get install -t \"$(. /etc/os-release; echo $VERSION_CODENAME)-backports\" {line}\n"
        ));
    }
    text.push_str("  then run the same cargo xtask command again.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instructions_name_every_package() {
        let needs = [super::super::QEMU, super::super::LINKER];
        let text = instructions(&needs);
        for package in list(&needs) {
            assert!(text.contains(package), "{package}");
        }
        assert!(text.contains("-backports"));
    }
}
