//! Links the kernel by the script that lies with the entry stubs, and keeps the relocations: they
//! say who refers to whom, from which `cargo xtask build` finds what a sealed machine gives up.

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let script = format!("{root}/../boot/kernel.ld");
    println!("cargo::rustc-link-arg-bins=-T{script}");
    println!("cargo::rustc-link-arg-bins=--emit-relocs");
    println!("cargo::rerun-if-changed={script}");
}
