//! An ELF file with a PVH entry, checked once.

use addr::{GuestPhysical, Range};
use byte_fields::u32_at;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::note::Note;
use elf::segment::{ProgramHeader, SegmentTable};

use crate::ImageError;
use crate::memory::byte_count;

/// The note of the PVH entry: its owner without the terminating zero, and its type
/// (Xen 4.19, xen/include/public/elfnote.h).
const NOTE_OWNER: &[u8] = b"Xen";
const XEN_ELFNOTE_PHYS32_ENTRY: u64 = 18;

/// More than any linker writes; bounds the work on a file that lies.
const SEGMENTS_LIMIT: usize = 64;
/// The most bytes of a segment that is searched for the PVH note; a kernel's have some hundred.
const NOTES_LIMIT: u64 = 4096;

/// A 64-bit x86 ELF file with a PVH note.
pub struct ElfFile<'a> {
    bytes: ElfBytes<'a, LittleEndian>,
    /// The file's size.
    pub(super) size: u64,
    table: SegmentTable<'a, LittleEndian>,
    /// The 32-bit entry point that the PVH note names.
    pub entry: u32,
}

/// A segment that is loaded.
pub(super) struct Segment<'a> {
    /// Where it goes.
    pub range: Range<GuestPhysical>,
    /// What the file has of it; the rest is zero, as the memory is before.
    pub content: &'a [u8],
}

impl<'a> ElfFile<'a> {
    /// Checks a file, which may be anything. The segments are checked as they are read.
    ///
    /// # Errors
    /// [`ImageError`] says in which way this is no file that can be started.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let size = byte_count(bytes);
        let bytes =
            ElfBytes::<LittleEndian>::minimal_parse(bytes).map_err(|_| ImageError::NotElf)?;
        if bytes.ehdr.class != Class::ELF64 || bytes.ehdr.e_machine != EM_X86_64 {
            return Err(ImageError::OtherMachine);
        }
        let table = bytes.segments().filter(|table| !table.is_empty());
        let table = table.ok_or(ImageError::NoSegments)?;
        if table.len() > SEGMENTS_LIMIT {
            return Err(ImageError::TooManySegments {
                segments: table.len(),
                limit: SEGMENTS_LIMIT,
            });
        }
        let entry = table
            .iter()
            .filter(|header| header.p_type == PT_NOTE && header.p_filesz <= NOTES_LIMIT)
            .find_map(|header| pvh_entry(&bytes, &header))
            .ok_or(ImageError::NoPvhNote)?;
        Ok(Self {
            bytes,
            size,
            table,
            entry,
        })
    }

    /// The segments to load, each checked to lie within the file and its own size.
    pub(super) fn segments(&self) -> impl Iterator<Item = Result<Segment<'a>, ImageError>> {
        self.table
            .iter()
            .filter(|header| header.p_type == PT_LOAD && header.p_memsz > 0)
            .map(|header| self.segment(&header))
    }

    fn segment(&self, header: &ProgramHeader) -> Result<Segment<'a>, ImageError> {
        let at = GuestPhysical::new(header.p_paddr);
        let damaged = ImageError::SegmentDamaged { at };
        if header.p_filesz > header.p_memsz {
            return Err(damaged);
        }
        Ok(Segment {
            range: Range::new(at, header.p_memsz).ok_or(damaged)?,
            content: self.bytes.segment_data(header).map_err(|_| damaged)?,
        })
    }
}

/// The PVH entry in a segment of notes, if it is there.
fn pvh_entry(bytes: &ElfBytes<'_, LittleEndian>, header: &ProgramHeader) -> Option<u32> {
    let notes = bytes.segment_data_as_notes(header).ok()?;
    notes.into_iter().find_map(|note| match note {
        Note::Unknown(note) if note.n_type == XEN_ELFNOTE_PHYS32_ENTRY => {
            let owner = note.name.strip_suffix(b"\0").unwrap_or(note.name);
            (owner == NOTE_OWNER).then(|| u32_at(note.desc, 0))?
        }
        _ => None,
    })
}
