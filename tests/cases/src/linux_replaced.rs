//! The user's tool replaces the initial RAM disk of a running stock Linux; after a restart the
//! new one's program speaks, while a neighbour's checksummed I/O goes on without an error and
//! without an exit.

use std::fs;

use anyhow::{Context, Result, ensure};
use harness::Bench;
use harness::archive::Archive;

use crate::linux_managed::{LIMIT, Tool, await_report};

const PLAN: &str = r#"
version = 3
[machine]
cores = [0, 1, 2, 3]
housekeeping = 0
memory = [{ start = "0x1000000", size = "1900M" }]
management = "0x2f8"
[[machine.function]]
address = "02:00.0"
virtual_functions = 4

[[partition]]
name = "alpha"
cores = [1]
memory = [{ start = "0x8000000", size = "512M" }]
[[partition.function]]
physical = "02:00.0"
virtual = 1
namespace = 2
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.mode=io"

[[partition]]
name = "beta"
cores = [2]
memory = [{ start = "0x28000000", size = "256M" }]
[partition.image]
room = "12M"
[partition.image.linux]
kernel = "linux/vmlinuz"
initrd = "linux/initrd.img"
command_line = "console=ttyS0 quiet bulkhead.functions=0 bulkhead.mode=echo"
"#;
/// What the program in the initial RAM disk of the plan says first.
const OWN_WORDS: &str = "type";
/// What the other one's says.
const OTHER_WORDS: &str = "another initial RAM disk";

/// All of it in one run.
pub fn ramdisk_beside_a_busy_neighbour(bench: &Bench) -> Result<()> {
    let mut emulator = bench.start(&bench.machine_with_nvme()?, PLAN)?;
    emulator.wait_for_text(OWN_WORDS, LIMIT)?;
    await_report(&mut emulator, "alpha")?;
    let tool = Tool::of(bench, &emulator)?;
    let file = bench.folder.join("other.img");
    fs::write(&file, other_ramdisk()?)?;
    let file = file
        .to_str()
        .context("the case's folder has a strange name")?;
    // It is no kernel.
    let refused = tool.run(&["replace", "beta", "kernel", file], "")?;
    let why = String::from_utf8_lossy(&refused.stderr);
    let told = format!("{}{why}", String::from_utf8_lossy(&refused.stdout));
    ensure!(refused.status.code() == Some(1), "{told}");
    ensure!(told.contains("image-refused"), "{told}");
    ensure!(told.contains("its image: "), "{told}");
    tool.succeed(&["replace", "beta", "initrd", file])?;
    tool.succeed(&["restart", "beta", "--force"])?;
    emulator.wait_for_text(OTHER_WORDS, LIMIT)?;
    tool.succeed(&["replace", "beta", "initrd", "--original"])?;
    tool.succeed(&["restart", "beta", "--force"])?;
    emulator.wait_for_text(OWN_WORDS, LIMIT)?;
    await_report(&mut emulator, "alpha")
}

/// An initial RAM disk with a program that says [`OTHER_WORDS`] and pauses for ever.
fn other_ramdisk() -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.add_program("init", &program()?)?;
    archive.finish()
}

/// Where the program is loaded.
const ADDRESS: u64 = 0x40_0000;
/// The bytes of an ELF header and of the one program header.
const HEADER_BYTES: u64 = 0x40;
const HEADERS_BYTES: u64 = 0x78;
/// `write(1, words, length)`, then `pause()` again and again (Linux 6.1,
/// arch/x86/entry/syscalls/syscall_64.tbl). The length and the words follow.
const WRITE: [u8; 18] = [
    0xb8, 1, 0, 0, 0, // mov eax, 1
    0xbf, 1, 0, 0, 0, // mov edi, 1
    0x48, 0x8d, 0x35, 20, 0, 0, 0,    // lea rsi, [rip + 20]: the words
    0xba, // mov edx, length
];
const PAUSE: [u8; 11] = [
    0x0f, 0x05, // syscall
    0xb8, 34, 0, 0, 0, // mov eax, 34
    0x0f, 0x05, // syscall
    0xeb, 0xf7, // back to the number
];

/// A program without a library, as an ELF file (System V ABI, gABI 4.1, chapters 4 and 5).
fn program() -> Result<Vec<u8>> {
    let words = format!("{OTHER_WORDS}\n");
    let mut code = WRITE.to_vec();
    let length = u32::try_from(words.len())?;
    code.extend(length.to_le_bytes());
    code.extend(PAUSE);
    code.extend([0x90; 4]); // up to where LEA points
    code.extend(words.bytes());
    let bytes = HEADERS_BYTES.saturating_add(u64::try_from(code.len())?);
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    file.resize(16, 0);
    let entry = ADDRESS.saturating_add(HEADERS_BYTES);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]); // executable, x86-64, version 1
    file.extend(
        [entry, HEADER_BYTES, 0]
            .into_iter()
            .flat_map(u64::to_le_bytes),
    );
    file.extend(0_u32.to_le_bytes());
    file.extend([64, 56, 1, 64, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]); // to load, readable and executable
    let segment = [0, ADDRESS, ADDRESS, bytes, bytes, 0x1000];
    file.extend(segment.into_iter().flat_map(u64::to_le_bytes));
    file.extend(code);
    Ok(file)
}
