extern crate std;

use std::string::ToString;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::Rehearsal;
use crate::fake_memory::FakeMemory;
use crate::layout::{BOOT_STRUCTURES_END, GDT, KERNEL_AREA, RSDP};

const MIB: u64 = 1 << 20;
const SETUP_SECTORS: usize = 3;

/// A file whose header says what Debian's 6.1 kernel says, with a kernel of 1 MiB.
fn kernel() -> Vec<u8> {
    let mut file = vec![0; (SETUP_SECTORS + 1) * 512];
    file.extend((0..1_u32 << 20).map(|index| index.to_le_bytes()[0] | 1));
    put(&mut file, 0x1f1, &[SETUP_SECTORS as u8]);
    put(&mut file, 0x1fe, &0xaa55_u16.to_le_bytes());
    put(&mut file, 0x200, &[0xeb, 0x6a]);
    put(&mut file, 0x202, b"HdrS");
    put(&mut file, 0x206, &0x020f_u16.to_le_bytes());
    put(&mut file, 0x211, &[1]);
    put(&mut file, 0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(&mut file, 0x230, &0x20_0000_u32.to_le_bytes());
    put(&mut file, 0x234, &[1, 21]);
    put(&mut file, 0x236, &0x7f_u16.to_le_bytes());
    put(&mut file, 0x238, &2047_u32.to_le_bytes());
    put(&mut file, 0x258, &(16 * MIB).to_le_bytes());
    put(&mut file, 0x260, &(48 * MIB as u32).to_le_bytes());
    file
}

fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn start(
    memory: &mut FakeMemory,
    kernel: &[u8],
    ramdisk: Option<&[u8]>,
) -> Result<Entry, ImageError> {
    let image = Image {
        kernel,
        initial_ramdisk: ramdisk,
        command_line: "console=ttyS0",
    };
    let map = memory.map();
    let rehearsed = load(&mut Rehearsal::new(&map), &map, &image, RSDP);
    let loaded = load(memory, &map, &image, RSDP);
    assert_eq!(rehearsed, loaded, "a rehearsal says what loading says");
    loaded
}

/// What happens to a kernel with one field changed.
fn start_with(offset: usize, bytes: &[u8]) -> Result<Entry, ImageError> {
    let mut file = kernel();
    put(&mut file, offset, bytes);
    start(&mut FakeMemory::new(128 * MIB), &file, None)
}

#[test]
fn the_entry_is_the_64_bit_one_at_the_preferred_address() {
    let mut memory = FakeMemory::new(128 * MIB);
    let entry = start(&mut memory, &kernel(), None).unwrap();
    let expected = Entry::Long {
        rip: GuestPhysical::new(16 * MIB + 0x200),
        rsi: BOOT_PARAMETERS,
        rsp: STACK_TOP,
        cr3: crate::layout::PAGE_TABLES,
        gdt: crate::DescriptorTable {
            base: GDT,
            limit: 31,
        },
    };
    assert_eq!(entry, expected);
    assert_eq!(
        memory.read(GuestPhysical::new(16 * MIB), 1 << 20),
        kernel()[2048..]
    );
}

#[test]
fn the_zero_page_tells_all() {
    let mut memory = FakeMemory::new(128 * MIB);
    start(&mut memory, &kernel(), Some(&[0x5a; 0x1801])).unwrap();
    let zero_page = BOOT_PARAMETERS.as_u64();
    let ramdisk = memory.read_u32(zero_page + 0x218);
    assert_eq!(u64::from(ramdisk), 128 * MIB - 0x2000);
    assert_eq!(memory.read_u32(zero_page + 0x21c), 0x1801);
    assert_eq!(
        memory.read(GuestPhysical::new(ramdisk.into()), 0x1801),
        [0x5a; 0x1801]
    );
    assert_eq!(memory.read_u64(zero_page + 0x70), RSDP.as_u64());
    assert_eq!(
        memory.read_u32(zero_page + 0x202),
        u32::from_le_bytes(*b"HdrS")
    );
    assert_eq!(
        memory.read(GuestPhysical::new(zero_page + 0x210), 1),
        [0xff]
    );
    assert_eq!(memory.read_u32(zero_page + 0x228), 0x3000);
    assert_eq!(memory.read(COMMAND_LINE, 14), b"console=ttyS0\0");
    assert_eq!(
        memory.read_u64(zero_page + 0x258),
        16 * MIB,
        "the header is copied"
    );
    assert_eq!(memory.read_u32(zero_page + 0x26c), 0, "and only the header");
}

#[test]
fn the_memory_map_is_the_layouts() {
    let mut memory = FakeMemory::new(3 << 30);
    start(&mut memory, &kernel(), None).unwrap();
    let count = memory.read(GuestPhysical::new(0x2000 + 0x1e8), 1)[0];
    let entries: Vec<(u64, u64, u32)> = (0..u64::from(count))
        .map(|index| 0x2000 + 0x2d0 + index * 20)
        .map(|at| {
            (
                memory.read_u64(at),
                memory.read_u64(at + 8),
                memory.read_u32(at + 16),
            )
        })
        .collect();
    let expected = [
        (0, 0xa_0000, 1),
        (0xa_0000, 0x6_0000, 2),
        (0x10_0000, 0x7ff0_0000, 1),
        (0x8000_0000, 0x10_0000, 2),
        (0x1_0000_0000, 0x4000_0000, 1),
    ];
    assert_eq!(entries, expected);
}

#[test]
fn a_file_that_is_no_bzimage_is_refused_by_name() {
    assert_eq!(start_with(0x1fe, &[0]), Err(ImageError::NoBootFlag));
    assert_eq!(start_with(0x202, b"hdrs"), Err(ImageError::NoMagic));
    let old = ImageError::ProtocolTooOld { version: 0x020b };
    assert_eq!(start_with(0x206, &[0x0b]), Err(old));
    assert_eq!(old.to_string(), "boot protocol 2.11 is older than 2.12");
    assert_eq!(start_with(0x211, &[0]), Err(ImageError::NotLoadedHigh));
    assert_eq!(start_with(0x236, &[0x7e]), Err(ImageError::No64BitEntry));
}

#[test]
fn a_file_that_ends_too_early_is_refused() {
    let file = kernel();
    for bytes in [0, 1, 0x1f1, 0x263, (SETUP_SECTORS + 1) * 512] {
        let result = start(&mut FakeMemory::new(128 * MIB), &file[..bytes], None);
        assert!(
            matches!(result, Err(ImageError::TooShort { .. })),
            "{bytes}"
        );
    }
}

#[test]
fn an_impossible_alignment_is_refused() {
    for alignment in [0_u32, 3, 0x8000_0000] {
        let result = start_with(0x230, &alignment.to_le_bytes());
        assert!(
            matches!(result, Err(ImageError::Misaligned { .. })),
            "{alignment}"
        );
    }
}

#[test]
fn a_kernel_that_needs_more_memory_says_how_much() {
    let result = start(&mut FakeMemory::new(32 * MIB), &kernel(), None);
    let expected = ImageError::KernelDoesNotFit {
        at: GuestPhysical::new(16 * MIB),
        needed: 48 * MIB,
        available: 16 * MIB,
    };
    assert_eq!(result, Err(expected));
}

#[test]
fn a_kernel_without_preference_goes_to_the_lowest_aligned_place() {
    let mut file = kernel();
    put(&mut file, 0x258, &0_u64.to_le_bytes());
    let entry = start(&mut FakeMemory::new(128 * MIB), &file, None).unwrap();
    assert!(matches!(entry, Entry::Long { rip, .. } if rip.as_u64() == 2 * MIB + 0x200));
}

#[test]
fn an_initial_ramdisk_stays_below_the_kernels_limit() {
    let mut file = kernel();
    put(&mut file, 0x22c, &(96 * MIB as u32 - 1).to_le_bytes());
    let mut memory = FakeMemory::new(128 * MIB);
    start(&mut memory, &file, Some(&[1; 4096])).unwrap();
    assert_eq!(u64::from(memory.read_u32(0x2218)), 96 * MIB - 4096);
}

#[test]
fn an_initial_ramdisk_without_room_says_how_much_there_is() {
    let ramdisk = vec![1; 2 << 20];
    let result = start(&mut FakeMemory::new(65 * MIB), &kernel(), Some(&ramdisk));
    let expected = ImageError::InitialRamdiskDoesNotFit {
        needed: 2 * MIB,
        available: MIB,
    };
    assert_eq!(result, Err(expected));
}

#[test]
fn a_command_line_that_would_be_cut_is_refused() {
    let file = kernel();
    let mut memory = FakeMemory::new(128 * MIB);
    let map = memory.map();
    let mut load_with = |command_line: &str| {
        let image = Image {
            kernel: &file,
            initial_ramdisk: None,
            command_line,
        };
        load(&mut memory, &map, &image, RSDP).err()
    };
    let long = "x".repeat(2048);
    let expected = ImageError::CommandLineTooLong {
        bytes: 2048,
        limit: 2047,
    };
    assert_eq!(load_with(&long), Some(expected));
    assert_eq!(load_with(&long[1..]), None);
    assert_eq!(load_with("a\0b"), Some(ImageError::CommandLineHasZero));
}

/// Where a loader may write: its boot structures and the kernel area, in particular neither
/// page 0 nor the ACPI tables.
fn is_allowed(memory: &FakeMemory) -> bool {
    let structures = crate::layout::between(GDT, BOOT_STRUCTURES_END).unwrap();
    let kernel_area = memory.map().kernel_area();
    let allowed =
        |range: &Range<GuestPhysical>| structures.encloses(*range) || kernel_area.encloses(*range);
    memory.writes.iter().all(allowed) && kernel_area.start() == KERNEL_AREA
}

proptest! {
    #[test]
    fn random_bytes_never_panic(file in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let mut memory = FakeMemory::new(128 * MIB);
        prop_assert!(start(&mut memory, &file, None).is_err());
    }

    #[test]
    fn a_damaged_header_never_writes_where_it_may_not(
        changes in proptest::collection::vec((0x1f1_usize..0x270, any::<u8>()), 1..12),
        pages in 512_u64..4096,
        ramdisk in proptest::option::of(1_usize..0x8_0000),
    ) {
        let mut file = kernel();
        file.truncate(0x4000);
        put(&mut file, 0x260, &0x4000_u32.to_le_bytes());
        put(&mut file, 0x258, &0x20_0000_u32.to_le_bytes());
        for (offset, value) in changes {
            file[offset] = value;
        }
        let mut memory = FakeMemory::new(pages << 12);
        let ramdisk = ramdisk.map(|bytes| vec![7; bytes]);
        let result = start(&mut memory, &file, ramdisk.as_deref());
        prop_assert!(!matches!(result, Err(ImageError::Memory(_))), "{result:?}");
        prop_assert!(is_allowed(&memory));
    }
}
