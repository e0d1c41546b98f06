//! Linux kernel modules: which others a module needs, read from the module itself.
//!
//! A module names them in its section `.modinfo`, as `depends=a,b` (Linux 6.1,
//! scripts/mod/modpost.c, `add_depends`). A package that was never installed has no
//! `modules.dep` to ask instead.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};

use crate::command;

/// Deeper than any chain of dependencies.
const MOST_DEPTH: usize = 32;

/// All modules of a kernel package, by name.
#[derive(Debug, Default)]
pub struct Modules {
    paths: BTreeMap<String, PathBuf>,
}

impl Modules {
    /// Finds the modules under `folder`, and unpacks none.
    pub fn find(folder: &Path) -> Result<Self> {
        let mut modules = Self::default();
        modules.collect(folder)?;
        Ok(modules)
    }

    /// The module `name` with all that it needs, in the order in which they can be loaded.
    pub fn in_loading_order(&self, name: &str) -> Result<Vec<PathBuf>> {
        let mut order = Vec::new();
        self.append(name, &mut order, MOST_DEPTH)?;
        Ok(order)
    }

    fn collect(&mut self, folder: &Path) -> Result<()> {
        let entries =
            fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                self.collect(&entry.path())?;
            } else if let Some(name) = module_name(&entry.path()) {
                self.paths.insert(name, entry.path());
            }
        }
        Ok(())
    }

    fn append(&self, name: &str, order: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
        let Some(depth) = depth.checked_sub(1) else {
            bail!("the dependencies of {name} go in a circle");
        };
        let packed = self
            .paths
            .get(&normalize(name))
            .with_context(|| format!("the kernel package has no module {name}"))?;
        let path = unpack(packed)?;
        if order.contains(&path) {
            return Ok(());
        }
        for dependency in read_dependencies(&path)? {
            self.append(&dependency, order, depth)?;
        }
        order.push(path);
        Ok(())
    }
}

/// The name of the module in the file `path`; `None` if it is none.
fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    let file = file.strip_suffix(".xz").unwrap_or(file);
    file.strip_suffix(".ko").map(normalize)
}

/// `-` and `_` are one character in module names.
fn normalize(name: &str) -> String {
    name.replace('-', "_")
}

/// Unpacks the modules that later Debian releases compress.
fn unpack(path: &Path) -> Result<PathBuf> {
    if path.extension().is_none_or(|extension| extension != "xz") {
        return Ok(path.to_owned());
    }
    let unpacked = path.with_extension("");
    if !unpacked.exists() {
        command::run(Command::new("xz").args(["-d", "-k"]).arg(path))?;
    }
    Ok(unpacked)
}

fn read_dependencies(path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let file = object::File::parse(&*bytes)
        .with_context(|| format!("{} is no kernel module", path.display()))?;
    let section = file
        .section_by_name(".modinfo")
        .with_context(|| format!("{} has no .modinfo", path.display()))?;
    Ok(parse_dependencies(section.data()?))
}

/// The names after `depends=` among the section's strings.
fn parse_dependencies(section: &[u8]) -> Vec<String> {
    let strings = section.split(|byte| *byte == 0);
    let Some(names) = strings
        .filter_map(|string| std::str::from_utf8(string).ok())
        .find_map(|string| string.strip_prefix("depends="))
    else {
        return Vec::new();
    };
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_strings() {
        let section = b"license=GPL\0depends=t10-pi,crc64\0retpoline=Y\0";
        assert_eq!(parse_dependencies(section), ["t10-pi", "crc64"]);
        assert!(parse_dependencies(b"license=GPL\0depends=\0").is_empty());
        assert!(parse_dependencies(b"license=GPL\0").is_empty());
    }

    #[test]
    fn names_do_not_depend_on_the_dash_or_the_packing() {
        assert_eq!(
            module_name(Path::new("a/t10-pi.ko")).as_deref(),
            Some("t10_pi")
        );
        assert_eq!(
            module_name(Path::new("nvme.ko.xz")).as_deref(),
            Some("nvme")
        );
        assert_eq!(module_name(Path::new("modules.order")), None);
    }
}
