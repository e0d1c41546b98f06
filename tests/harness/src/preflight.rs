//! Whether the QEMU that is installed can emulate the example machine; if not, what is
//! missing and what to do.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::qemu::PROGRAM;

/// The oldest version that will do: 7.2 lacks x2APIC under TCG and igb.
pub const OLDEST: Version = Version { major: 9, minor: 0 };

/// The devices that the example machine is made of.
const DEVICES: [&str; 5] = [
    "intel-iommu",
    "isa-debug-exit",
    "nvme",
    "nvme-ns",
    "pcie-root-port",
];

/// What to do about every lack.
const REMEDY: &str = "run `cargo xtask setup`";

/// A version of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

/// The installed QEMU's version; `None` if there is none.
pub fn installed_version() -> Option<Version> {
    let text = output(&["--version"]).ok()?;
    parse_version(&text)
}

/// Checks version, machine type and devices, and returns the version.
pub fn check() -> Result<Version> {
    let Some(version) = installed_version() else {
        bail!("{PROGRAM} is not installed: {REMEDY}");
    };
    if version < OLDEST {
        bail!("{PROGRAM} is version {version}, Bulkhead needs {OLDEST} or later: {REMEDY}");
    }
    if !lists(&output(&["-machine", "help"])?, "q35") {
        bail!("{PROGRAM} {version} lacks the machine q35; it needs a build for PCs: {REMEDY}");
    }
    let devices = output(&["-device", "help"])?;
    let missing: Vec<_> = DEVICES
        .iter()
        .filter(|device| !devices.contains(&format!("name \"{device}\"")))
        .copied()
        .collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        bail!("{PROGRAM} {version} lacks the devices {missing}; take Debian's build: {REMEDY}");
    }
    Ok(version)
}

fn output(arguments: &[&str]) -> Result<String> {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .output()
        .with_context(|| format!("starting {PROGRAM}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn lists(text: &str, name: &str) -> bool {
    text.lines()
        .any(|line| line.split_whitespace().next() == Some(name))
}

/// Reads `QEMU emulator version 10.0.2 (Debian …)`.
fn parse_version(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("version ")?;
    let mut numbers = rest.split(|c: char| !c.is_ascii_digit());
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some(Version { major, minor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered_as_numbers() {
        let ten = parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)").unwrap();
        assert_eq!(
            ten,
            Version {
                major: 10,
                minor: 0
            }
        );
        let seven = parse_version("QEMU emulator version 7.2.17").unwrap();
        assert!(seven < OLDEST && OLDEST < ten);
    }

    #[test]
    fn other_text_is_no_version() {
        assert_eq!(parse_version("command not found"), None);
    }
}
