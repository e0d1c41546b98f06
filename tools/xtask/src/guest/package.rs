//! The stock Debian kernel: fetched by apt as a package, unpacked into the user's cache,
//! never installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::module::Modules;
use crate::command;
use crate::paths::Paths;
use crate::progress;
use crate::setup;

/// The package that always depends on the suite's current kernel.
const META_PACKAGE: &str = "linux-image-amd64";
/// The kernel's name in the cache.
const KERNEL: &str = "vmlinuz";
/// The modules' folder in the cache.
const MODULES: &str = "modules";

/// What of the package is kept, and for whom.
#[derive(Debug)]
pub struct Selection {
    /// Its folder in the cache.
    pub folder: &'static str,
    /// Why it is fetched.
    pub why: &'static str,
    /// The drivers whose modules are kept.
    pub drivers: &'static [&'static str],
}

/// A kernel package in the cache, as far as it was selected.
#[derive(Debug, Clone)]
pub struct KernelPackage {
    /// The bzImage as shipped.
    pub kernel: PathBuf,
    /// The drivers that were selected.
    pub drivers: Vec<Driver>,
}

/// A driver of the kernel's.
#[derive(Debug, Clone)]
pub struct Driver {
    /// Its module's name.
    pub name: &'static str,
    /// Its modules, in loading order.
    pub modules: Vec<PathBuf>,
}

/// The suite's kernel package, fetched if the cache lacks it.
pub fn find(paths: &Paths, selection: &Selection) -> Result<KernelPackage> {
    let cache = paths.cache.join(selection.folder);
    let name = match resolve() {
        Ok(name) => name,
        // Without package lists an earlier package does as well.
        Err(error) => match newest(&cache) {
            Some(name) => name,
            None => {
                progress::step("Updating", &format!("the package lists: {error:#}"));
                setup::update_package_lists()?;
                resolve()?
            }
        },
    };
    let folder = cache.join(&name);
    // One that an earlier version has made may lack a driver.
    if let Ok(package) = open(&folder, selection) {
        return Ok(package);
    }
    fetch(&cache, &name, selection)?;
    open(&folder, selection)
}

/// The package that the meta package depends on now.
fn resolve() -> Result<String> {
    let mut query = Command::new("apt-cache");
    query.env("LC_ALL", "C").args(["depends", META_PACKAGE]);
    let text = command::output(&mut query)?;
    parse_dependency(&text)
        .with_context(|| format!("apt knows no kernel package behind {META_PACKAGE}"))
}

fn parse_dependency(text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .map(str::to_owned)
}

/// The package in the cache that sorts last.
fn newest(cache: &Path) -> Option<String> {
    let entries = fs::read_dir(cache).ok()?;
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("linux-image-"))
        .max()
}

/// Fetches and unpacks the package. The folder appears whole or not at all.
fn fetch(cache: &Path, name: &str, selection: &Selection) -> Result<()> {
    progress::step("Fetching", &format!("{name}: {}", selection.why));
    let draft = cache.join(format!("draft-{}", std::process::id()));
    let _ = fs::remove_dir_all(&draft);
    fs::create_dir_all(&draft).with_context(|| format!("making {}", draft.display()))?;
    let result = fetch_into(&draft, name, selection).and_then(|result| {
        let folder = cache.join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::rename(result, folder).context("moving the kernel package into the cache")
    });
    fs::remove_dir_all(&draft)?;
    result
}

fn fetch_into(draft: &Path, name: &str, selection: &Selection) -> Result<PathBuf> {
    let mut download = command::new("apt-get", draft);
    // As root, apt would first try a user who cannot write here, and warn.
    if env::var_os("USER").is_none_or(|user| user == "root") {
        download.args(["-o", "APT::Sandbox::User=root"]);
    }
    command::output(download.args(["-q", "download", name]))?;
    let package = find_file(draft, |file| file.ends_with(".deb"))?;
    let tree = draft.join("tree");
    command::run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&tree))?;
    let result = draft.join("result");
    fs::create_dir_all(result.join(MODULES))?;
    let kernel = find_file(&tree.join("boot"), |file| file.starts_with("vmlinuz-"))?;
    fs::copy(kernel, result.join(KERNEL))?;
    let modules = Modules::find(&find_modules(&tree)?)?;
    for driver in selection.drivers {
        for module in modules.in_loading_order(driver)? {
            let file = module.file_name().context("a module has no name")?;
            fs::copy(&module, result.join(MODULES).join(file))?;
        }
    }
    Ok(result)
}

/// Later releases have `/usr/lib` only.
fn find_modules(tree: &Path) -> Result<PathBuf> {
    let folders = [tree.join("lib/modules"), tree.join("usr/lib/modules")];
    let found = folders.into_iter().find(|folder| folder.exists());
    found.context("the kernel package has no modules")
}

fn find_file(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        if is_wanted(&entry.file_name().to_string_lossy()) {
            return Ok(entry.path());
        }
    }
    bail!("{} lacks the file that was expected", folder.display())
}

fn open(folder: &Path, selection: &Selection) -> Result<KernelPackage> {
    let kernel = folder.join(KERNEL);
    if !kernel.exists() {
        bail!("{} is not whole; remove it and try again", folder.display());
    }
    let modules = Modules::find(&folder.join(MODULES))?;
    let driver = |name| {
        let modules = modules.in_loading_order(name)?;
        Ok(Driver { name, modules })
    };
    let drivers: Result<_> = selection.drivers.iter().copied().map(driver).collect();
    Ok(KernelPackage {
        kernel,
        drivers: drivers?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_behind_the_meta_package_is_found() {
        let text = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        let name = parse_dependency(text);
        assert_eq!(name.as_deref(), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(parse_dependency("linux-image-amd64\n"), None);
    }
}
