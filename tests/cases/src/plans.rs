//! Plans that several cases start from.

/// The example's machine and partitions without devices, the bare guest `hello` in both.
pub const TWO_HELLOS: &str = r#"
version = 1
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
console = "0x3f8"
iommu = "required"
[[partition]]
name = "alpha"
cores = [1]
memory = [{ start = "0x8000000", size = "64M" }]
[partition.image]
elf = { kernel = "guests/hello" }
[[partition]]
name = "beta"
cores = [2, 3]
memory = [{ start = "0x30000000", size = "64M" }]
[partition.image]
elf = { kernel = "guests/hello" }
"#;
