//! The images of `tests/plans/images` are made here: files that can be started, and no more.

use alloc::vec;

use super::super::tests::directory;
use super::super::{Report, compile};
use super::*;

const MIB: u64 = 1 << 20;
/// `cli`, `hlt`, and a jump back to it.
const CODE: [u8; 4] = [0xfa, 0xf4, 0xeb, 0xfd];

fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// A bzImage that wants `init_size` bytes from 16 MiB on (Linux 6.12,
/// Documentation/arch/x86/boot.rst, section "The Real-Mode Kernel Header").
fn bz_image(init_size: u32) -> Vec<u8> {
    let mut file = vec![0; 1024];
    put(&mut file, 0x1f1, &[1]);
    put(&mut file, 0x1fe, &0xaa55_u16.to_le_bytes());
    put(&mut file, 0x200, &[0xeb, 0x6a]);
    put(&mut file, 0x202, b"HdrS");
    put(&mut file, 0x206, &0x020f_u16.to_le_bytes());
    put(&mut file, 0x211, &[1]);
    put(&mut file, 0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(&mut file, 0x230, &0x20_0000_u32.to_le_bytes());
    put(&mut file, 0x236, &1_u16.to_le_bytes());
    put(&mut file, 0x238, &2047_u32.to_le_bytes());
    put(&mut file, 0x258, &(16 * MIB).to_le_bytes());
    put(&mut file, 0x260, &init_size.to_le_bytes());
    file.extend([0; 0x200]);
    file.extend(CODE);
    file
}

/// An ELF file with a PVH note and a segment of a page at 1 MiB.
fn elf_file() -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    file.resize(16, 0);
    file.extend([2, 62].into_iter().flat_map(u16::to_le_bytes));
    file.extend(1_u32.to_le_bytes());
    file.extend([0, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    file.extend(0_u32.to_le_bytes());
    file.extend([64, 56, 2, 64, 0, 0].into_iter().flat_map(u16::to_le_bytes));
    for (kind, header) in [
        (4, [176, 0, 0, 20, 20, 4]),
        (1, [196, 0, MIB, 4, 0x1000, 4]),
    ] {
        file.extend([kind, 5_u32].into_iter().flat_map(u32::to_le_bytes));
        file.extend(header.into_iter().flat_map(u64::to_le_bytes));
    }
    file.extend([4, 4, 18].into_iter().flat_map(u32::to_le_bytes));
    file.extend(b"Xen\0");
    file.extend((MIB as u32).to_le_bytes());
    file.extend(CODE);
    file
}

#[test]
fn the_images_of_the_plans_are_made_here() {
    let images = directory().join("../images");
    for (name, made) in [("vmlinuz", bz_image(48 << 20)), ("guest.elf", elf_file())] {
        assert!(std::fs::read(images.join(name)).unwrap() == made, "{name}");
    }
}

/// A plan whose one partition has `mebibytes`, and the image that this TOML describes.
fn plan(mebibytes: u64, image: &str) -> String {
    format!(
        "version = 3\n\
         [machine]\ncores = [0, 1]\nhousekeeping = 0\n\
         memory = [{{ start = \"16M\", size = \"4G\" }}]\n\
         [[partition]]\nname = \"alpha\"\ncores = [1]\n\
         memory = [{{ start = \"64M\", size = \"{mebibytes}M\" }}]\n\
         [partition.image]\n{image}\n"
    )
}

/// What is found in a plan whose images are these files.
fn found(files: &[(&str, &[u8])], source: &str) -> Vec<(Rule, usize, String, String)> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let findings = compile(source, folder.path()).err().unwrap_or_default();
    let report = Report::new("plan.toml", source.into(), findings);
    let each = report.diagnostics.into_iter();
    each.map(|one| (one.rule, one.label.unwrap().line, one.message, one.remedy))
        .collect()
}

const LINUX: &str = "linux = { kernel = \"kernel\" }";

#[test]
fn what_is_no_kernel_is_unusable_in_any_memory() {
    for (content, why) in [
        (&b"x"[..], "has 1 bytes"),
        (&[b'#'; 2000][..], "boot signature 0xaa55 is missing"),
    ] {
        let found = found(&[("kernel", content)], &plan(640, LINUX));
        let [(rule, line, message, remedy)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((*rule, *line), (Rule::ImageUnusable, 11));
        assert!(message.contains(why), "{message}");
        assert_eq!(remedy, "is this the right file?");
    }
    let elf = "elf = { kernel = \"kernel\" }";
    let kernel = bz_image(1 << 20);
    let found = found(&[("kernel", &kernel)], &plan(64, elf));
    assert_eq!(found[0].0, Rule::ImageUnusable);
    assert!(found[0].2.contains("no ELF file"), "{found:?}");
}

#[test]
fn a_partition_that_is_too_small_is_told_the_size_that_suffices() {
    let kernel = bz_image(60 << 20);
    let files = [("kernel", &kernel[..])];
    let found = |mebibytes| found(&files, &plan(mebibytes, LINUX));
    for mebibytes in [6, 74] {
        let found = found(mebibytes);
        assert_eq!((found[0].0, found[0].1), (Rule::ImageTooLarge, 11));
        assert_eq!(found[0].3, "give the partition at least 76 MiB");
    }
    assert_eq!(found(76), []);
}

#[test]
fn an_initial_ram_disk_that_is_too_large_is_meant_itself() {
    let kernel = bz_image(1 << 20);
    let ramdisk = vec![0; 8 << 20];
    let files = [("kernel", &kernel[..]), ("initrd", &ramdisk[..])];
    let image = "[partition.image.linux]\nkernel = \"kernel\"\ninitrd = \"initrd\"";
    let refused = found(&files, &plan(20, image));
    assert_eq!((refused[0].0, refused[0].1), (Rule::ImageTooLarge, 13));
    assert_eq!(refused[0].3, "give the partition at least 26 MiB");
    assert_eq!(found(&files, &plan(26, image)), []);
}

#[test]
fn a_partition_that_could_not_be_read_is_not_judged() {
    let source = plan(6, LINUX).replace("size = \"6M\"", "size = \"6Q\"");
    let found = found(&[("kernel", b"x")], &source);
    let rules: Vec<_> = found.iter().map(|one| one.0).collect();
    assert_eq!(rules, [Rule::WrongValue]);
}
