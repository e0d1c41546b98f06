//! Leaves the kernel as one object file: `cargo xtask build` links it, after it has looked which of
//! its functions are needed for how long (`tools/xtask/src/text`).

fn main() {
    println!("cargo::rustc-link-arg-bins=--relocatable");
    // What is garbage is known only when it is linked.
    println!("cargo::rustc-link-arg-bins=--no-gc-sections");
}
