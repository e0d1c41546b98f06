//! Test guests' ELF files as cases change them (System V ABI, gABI 4.1, chapters 4 and 5).

use std::fs;
use std::ops::Range;

use anyhow::{Context, Result};
use harness::Bench;

/// Fields of the file's header.
const SECTION_HEADERS: Range<usize> = 0x28..0x30;
const PROGRAM_HEADER_COUNT: usize = 0x38;
const SECTION_COUNTS: Range<usize> = 0x3a..0x40;
/// The program headers, and fields of one of them.
const PROGRAM_HEADERS: usize = 0x40;
const PROGRAM_HEADER_BYTES: usize = 0x38;
const SEGMENT_OFFSET: usize = 0x08;
const SEGMENT_PHYSICAL: usize = 0x18;
const SEGMENT_FILE_BYTES: usize = 0x20;
/// What precedes the entry point in a PVH note (Xen 4.19, xen/include/public/elfnote.h): the
/// sizes of its owner and of the entry, its type, and its owner.
const PVH_NOTE: &[u8] = b"\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0";
/// What guests begin with: CLI and CLD, which change nothing at their entry.
const FIRST_INSTRUCTIONS: [u8; 2] = [0xfa, 0xfc];
const UD2: [u8; 2] = [0x0f, 0x0b];

/// A test guest's ELF file as far as it is loaded: without symbols and the like, which are
/// most of it and would have to go over the line.
pub fn guest(bench: &Bench, name: &str) -> Result<Vec<u8>> {
    let path = bench.guests.join(name);
    let mut file = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut end = 0;
    for header in program_headers(&file)? {
        let start = number(&file, header.saturating_add(SEGMENT_OFFSET))?;
        let bytes = number(&file, header.saturating_add(SEGMENT_FILE_BYTES))?;
        end = end.max(start.saturating_add(bytes));
    }
    file.truncate(usize::try_from(end)?);
    for field in [SECTION_HEADERS, SECTION_COUNTS] {
        file.get_mut(field).context("no ELF file")?.fill(0);
    }
    Ok(file)
}

/// The same file with all segments a gigabyte higher.
pub fn moved(file: &[u8]) -> Result<Vec<u8>> {
    with_segments(file, |address| address.saturating_add(1 << 30))
}

/// The same file with all segments at one place.
pub fn piled(file: &[u8]) -> Result<Vec<u8>> {
    with_segments(file, |_| 2 << 20)
}

/// The same file with each segment where `place` has it instead of where it was.
fn with_segments(file: &[u8], place: impl Fn(u64) -> u64) -> Result<Vec<u8>> {
    let mut changed = file.to_vec();
    for header in program_headers(file)? {
        let at = header.saturating_add(SEGMENT_PHYSICAL);
        let address = place(number(file, at)?);
        put(&mut changed, at, &address.to_le_bytes())?;
    }
    Ok(changed)
}

/// The same file, entered two bytes further on; where it was entered is an instruction that ends
/// it.
pub fn entered_elsewhere(file: &[u8]) -> Result<Vec<u8>> {
    let mut changed = file.to_vec();
    let note = position(file, PVH_NOTE).context("no PVH note")?;
    let at = note.saturating_add(PVH_NOTE.len());
    let entry = file.get(at..).and_then(|rest| rest.first_chunk());
    let entry = u32::from_le_bytes(*entry.context("no entry")?);
    let behind = file
        .get(at..)
        .and_then(|rest| position(rest, &FIRST_INSTRUCTIONS));
    let first = at.saturating_add(behind.context("no first instructions")?);
    put(&mut changed, first, &UD2)?;
    put(&mut changed, at, &entry.saturating_add(2).to_le_bytes())?;
    Ok(changed)
}

/// Where `bytes` are in `file` first.
fn position(file: &[u8], bytes: &[u8]) -> Option<usize> {
    file.windows(bytes.len()).position(|window| window == bytes)
}

fn put(file: &mut [u8], at: usize, bytes: &[u8]) -> Result<()> {
    let field = file.get_mut(at..at.saturating_add(bytes.len()));
    field.context("behind the end")?.copy_from_slice(bytes);
    Ok(())
}

/// Where the program headers are.
fn program_headers(file: &[u8]) -> Result<Vec<usize>> {
    let count = *file.get(PROGRAM_HEADER_COUNT).context("no ELF file")?;
    let headers = (PROGRAM_HEADERS..).step_by(PROGRAM_HEADER_BYTES);
    Ok(headers.take(count.into()).collect())
}

fn number(file: &[u8], at: usize) -> Result<u64> {
    let field = file.get(at..).and_then(|rest| rest.first_chunk());
    Ok(u64::from_le_bytes(*field.context("no ELF file")?))
}
