//! Layers look down only: `addr` below the other libraries, these below the kernel, and the
//! kernel below nothing: tools and tests use libraries, never the kernel's crate.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;
use crate::paths::Paths;

/// Where the libraries are.
const LIBRARIES: &str = "/kernel/libs/";
/// The kernel's package.
const KERNEL: &str = "kernel";
/// The lowest library.
const LOWEST: &str = "addr";

/// Names the dependencies that look up.
pub fn check(paths: &Paths) -> Result<Vec<String>> {
    let mut cargo = command::new("cargo", &paths.root);
    let text = command::output(cargo.args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo's metadata")?;
    Ok(check_metadata(&metadata))
}

fn check_metadata(metadata: &Value) -> Vec<String> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    packages
        .into_iter()
        .flatten()
        .flat_map(check_package)
        .collect()
}

fn check_package(package: &Value) -> Vec<String> {
    let name = text(package, "name");
    let is_library = text(package, "manifest_path").contains(LIBRARIES);
    let dependencies = package.get("dependencies").and_then(Value::as_array);
    dependencies
        .into_iter()
        .flatten()
        // Only our own packages have a path.
        .filter(|dependency| dependency.get("path").is_some_and(Value::is_string))
        .filter_map(|dependency| {
            let on = text(dependency, "name");
            let is_down = format!("{}/", text(dependency, "path")).contains(LIBRARIES);
            let why = if on == KERNEL {
                "nothing may use the kernel's crate"
            } else if name == LOWEST {
                "it is the lowest library"
            } else if is_library && !is_down {
                "a library may use libraries alone"
            } else {
                return None;
            };
            Some(format!("{name} depends on {on}: {why}"))
        })
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn findings(name: &str, manifest: &str, on: &str, path: &str) -> usize {
        let package = json!({
            "name": name,
            "manifest_path": manifest,
            "dependencies": [{"name": on, "path": path}, {"name": "serde"}],
        });
        check_metadata(&json!({"packages": [package]})).len()
    }

    #[test]
    fn a_library_may_use_a_library() {
        let manifest = "/b/kernel/libs/plan/Cargo.toml";
        assert_eq!(findings("plan", manifest, "addr", "/b/kernel/libs/addr"), 0);
    }

    #[test]
    fn looking_up_is_found() {
        let plan = "/b/kernel/libs/plan/Cargo.toml";
        assert_eq!(findings("plan", plan, "kernel", "/b/kernel"), 1);
        assert_eq!(findings("plan", plan, "harness", "/b/tests/harness"), 1);
        let addr = "/b/kernel/libs/addr/Cargo.toml";
        assert_eq!(findings("addr", addr, "plan", "/b/kernel/libs/plan"), 1);
        let tool = "/b/tools/xtask/Cargo.toml";
        assert_eq!(findings("xtask", tool, "kernel", "/b/kernel"), 1);
        assert_eq!(findings("xtask", tool, "plan", "/b/kernel/libs/plan"), 0);
    }
}
