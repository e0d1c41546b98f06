extern crate std;

use std::vec;
use std::vec::Vec;

use addr::Range;
use proptest::prelude::*;

use super::*;
use crate::Rehearsal;
use crate::fake_memory::FakeMemory;
use crate::layout::{COMMAND_LINE, KERNEL_AREA, RSDP, START_INFO};

const MIB: u64 = 1 << 20;

/// A program header's fields that matter here.
#[derive(Clone, Copy)]
struct Header {
    kind: u32,
    offset: u64,
    physical: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

impl Header {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(5_u32.to_le_bytes());
        let fields = [
            self.offset,
            0xffff_0000_0000_0000,
            self.physical,
            self.file_bytes,
            self.memory_bytes,
            4,
        ];
        bytes.extend(fields.into_iter().flat_map(u64::to_le_bytes));
        bytes
    }
}

const TEXT_OFFSET: u64 = 0x200;
const TEXT: [u8; 5] = [0xfa, 0xf4, 0xeb, 0xfd, 0x90];

/// A segment of five bytes at 2 MiB and the rest of its page zero.
const SEGMENT: Header = Header {
    kind: 1,
    offset: TEXT_OFFSET,
    physical: 2 * MIB,
    file_bytes: 5,
    memory_bytes: 0x1000,
};

/// A file with a note and one segment.
fn file() -> Vec<u8> {
    file_with(&[SEGMENT])
}

/// A file with a note and some segments, three at most.
fn file_with(segments: &[Header]) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0];
    bytes.resize(16, 0);
    bytes.extend(2_u16.to_le_bytes());
    bytes.extend(62_u16.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend([0, 64, 0].into_iter().flat_map(u64::to_le_bytes));
    bytes.extend(0_u32.to_le_bytes());
    let count = 1 + segments.len() as u16;
    bytes.extend(
        [64, 56, count, 64, 0, 0]
            .into_iter()
            .flat_map(u16::to_le_bytes),
    );
    let note = Header {
        kind: 4,
        offset: 0x100,
        physical: 0,
        file_bytes: 20,
        memory_bytes: 20,
    };
    bytes.extend(note.bytes());
    bytes.extend(segments.iter().flat_map(Header::bytes));
    bytes.resize(0x100, 0);
    bytes.extend([4, 4, 18].into_iter().flat_map(u32::to_le_bytes));
    bytes.extend(b"Xen\0");
    bytes.extend((2 * MIB as u32 + 2).to_le_bytes());
    bytes.resize(TEXT_OFFSET as usize, 0);
    bytes.extend(TEXT);
    bytes
}

fn start(
    memory: &mut FakeMemory,
    kernel: &[u8],
    initial_ramdisk: Option<&[u8]>,
) -> Result<Entry, ImageError> {
    let map = memory.map();
    let image = Image {
        kernel,
        initial_ramdisk,
        command_line: "outside=0x1000",
    };
    let rehearsed = load(&mut Rehearsal::new(&map), &map, &image, RSDP);
    let loaded = load(memory, &map, &image, RSDP);
    assert_eq!(rehearsed, loaded, "a rehearsal says what loading says");
    loaded
}

/// What happens to a file with one field changed.
fn start_with(offset: usize, bytes: &[u8]) -> Result<Entry, ImageError> {
    let mut file = file();
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    start(&mut FakeMemory::new(16 * MIB), &file, None)
}

#[test]
fn the_segment_goes_to_its_physical_address() {
    let mut memory = FakeMemory::new(16 * MIB);
    let entry = start(&mut memory, &file(), None).unwrap();
    let expected = Entry::Protected {
        eip: 2 * MIB as u32 + 2,
        ebx: 0x4000,
    };
    assert_eq!(entry, expected);
    assert_eq!(memory.read(GuestPhysical::new(2 * MIB), 5), TEXT);
}

#[test]
fn the_start_info_tells_all() {
    let mut memory = FakeMemory::new(16 * MIB);
    start(&mut memory, &file(), Some(b"module")).unwrap();
    let at = START_INFO.as_u64();
    assert_eq!(memory.read_u32(at), 0x336e_c578);
    assert_eq!(memory.read_u32(at + 4), 1);
    assert_eq!(memory.read_u32(at + 12), 1, "one module");
    let module = memory.read_u64(at + 16);
    let start = memory.read_u64(module);
    assert_eq!((start, memory.read_u64(module + 8)), (16 * MIB - 0x1000, 6));
    assert_eq!(memory.read(GuestPhysical::new(start), 6), b"module");
    assert_eq!(memory.read_u64(at + 24), COMMAND_LINE.as_u64());
    assert_eq!(memory.read(COMMAND_LINE, 15), b"outside=0x1000\0");
    assert_eq!(memory.read_u64(at + 32), RSDP.as_u64());
    let map = memory.read_u64(at + 40);
    assert_eq!(memory.read_u32(at + 48), 4);
    assert_eq!(memory.read_u64(map + 2 * 24), MIB);
    assert_eq!(memory.read_u64(map + 2 * 24 + 8), 15 * MIB);
    assert_eq!(memory.read_u32(map + 2 * 24 + 16), 1);
}

#[test]
fn a_file_that_cannot_be_started_is_refused_by_name() {
    assert_eq!(start_with(0, &[0]), Err(ImageError::NotElf));
    assert_eq!(start_with(18, &[3]), Err(ImageError::OtherMachine));
    assert_eq!(start_with(56, &[0]), Err(ImageError::NoSegments));
    assert_eq!(start_with(0x108, &[17]), Err(ImageError::NoPvhNote));
    assert_eq!(start_with(0x10c, b"Xem"), Err(ImageError::NoPvhNote));
    let entry = ImageError::EntryOutside { entry: 0x20_1000 };
    assert_eq!(start_with(0x110, &0x20_1000_u32.to_le_bytes()), Err(entry));
}

#[test]
fn a_segment_below_the_kernel_area_is_refused() {
    let physical = 64 + 56 + 24;
    for address in [0, 0x1000, 0xe_0000, 0xf_f000, 16 * MIB - 0xfff, 1 << 32] {
        let result = start_with(physical, &u64::to_le_bytes(address));
        assert!(
            matches!(result, Err(ImageError::SegmentOutside { .. })),
            "{address:#x}: {result:?}"
        );
    }
}

#[test]
fn a_segment_that_lies_about_its_size_is_refused() {
    let at = GuestPhysical::new(2 * MIB);
    let damaged = Err(ImageError::SegmentDamaged { at });
    let file_bytes = 64 + 56 + 32;
    assert_eq!(start_with(file_bytes, &6_u64.to_le_bytes()), damaged);
    assert_eq!(start_with(file_bytes, &0x2000_u64.to_le_bytes()), damaged);
    let memory_bytes = 64 + 56 + 40;
    assert_eq!(start_with(memory_bytes, &u64::MAX.to_le_bytes()), damaged);
}

#[test]
fn segments_that_do_not_follow_one_another_are_refused() {
    let second = |physical| {
        let file = file_with(&[
            SEGMENT,
            Header {
                physical,
                ..SEGMENT
            },
        ]);
        start(&mut FakeMemory::new(16 * MIB), &file, None)
    };
    for physical in [2 * MIB, 2 * MIB + 0xfff, 2 * MIB - 0xfff, MIB] {
        let at = GuestPhysical::new(physical);
        assert_eq!(second(physical), Err(ImageError::SegmentAgain { at }));
    }
    assert!(second(2 * MIB + 0x1000).is_ok());
}

#[test]
fn no_more_is_loaded_than_the_file_has() {
    let half = TEXT_OFFSET / 2 + 2;
    let second = |file_bytes| {
        let first = Header {
            offset: 0,
            file_bytes: half,
            ..SEGMENT
        };
        let physical = 3 * MIB;
        let second = Header {
            physical,
            file_bytes,
            ..first
        };
        let file = file_with(&[first, second]);
        assert_eq!(file.len() as u64, 2 * half + 1);
        start(&mut FakeMemory::new(16 * MIB), &file, None)
    };
    let at = GuestPhysical::new(3 * MIB);
    assert!(second(half + 1).is_ok());
    assert_eq!(second(half + 2), Err(ImageError::SegmentAgain { at }));
}

#[test]
fn a_large_segment_of_notes_is_not_searched() {
    let note = |file_bytes: u64| {
        let mut file = file();
        file.resize(0x2000, 0);
        file[64 + 32..64 + 40].copy_from_slice(&file_bytes.to_le_bytes());
        start(&mut FakeMemory::new(16 * MIB), &file, None)
    };
    assert!(note(0x1000).is_ok());
    assert_eq!(note(0x1001), Err(ImageError::NoPvhNote));
}

#[test]
fn a_module_without_room_says_how_much_there_is() {
    let module = vec![1; 14 << 20];
    let result = start(&mut FakeMemory::new(16 * MIB), &file(), Some(&module));
    let expected = ImageError::InitialRamdiskDoesNotFit {
        needed: 14 * MIB,
        available: 14 * MIB - 0x1000,
    };
    assert_eq!(result, Err(expected));
}

/// A loader writes its boot structures, and into the kernel area no more than it is given.
fn is_allowed(memory: &FakeMemory, given: usize) -> bool {
    let structures = Range::new(COMMAND_LINE, 0x2000).unwrap();
    let kernel_area = memory.map().kernel_area();
    let allowed =
        |range: &Range<GuestPhysical>| structures.encloses(*range) || kernel_area.encloses(*range);
    let loaded = memory
        .writes
        .iter()
        .filter(|one| kernel_area.encloses(**one));
    let loaded: u64 = loaded.map(|range| range.bytes()).sum();
    memory.writes.iter().all(allowed)
        && kernel_area.start() == KERNEL_AREA
        && loaded <= given as u64
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let start_of_elf = file();
        for kept in [0, 16, 64] {
            let kept = kept.min(bytes.len());
            bytes[..kept].copy_from_slice(&start_of_elf[..kept]);
            let mut memory = FakeMemory::new(16 * MIB);
            let _ = start(&mut memory, &bytes, None);
            prop_assert!(is_allowed(&memory, bytes.len()));
        }
    }

    #[test]
    fn a_damaged_file_never_writes_where_it_may_not(
        changes in proptest::collection::vec((16_usize..0x118, any::<u8>()), 1..8),
    ) {
        let mut file = file();
        for (offset, value) in changes {
            file[offset] = value;
        }
        let mut memory = FakeMemory::new(16 * MIB);
        let result = start(&mut memory, &file, Some(&[3; 5000]));
        prop_assert!(!matches!(result, Err(ImageError::Memory(_))), "{result:?}");
        prop_assert!(is_allowed(&memory, file.len() + 5000));
    }
}
