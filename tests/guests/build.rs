//! Links the guests by their own script.

use std::env;
use std::path::Path;

fn main() {
    let directory = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
    let script = Path::new(&directory).join("guest.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        println!("cargo::rustc-link-arg-bins=--no-dynamic-linker");
    }
}
