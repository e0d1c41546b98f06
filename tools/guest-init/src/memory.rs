//! All of the memory: filled with a word, as far as a program gets it, and searched for it.
//!
//! The word is told by its halves, which are compared one by one: so it is not in the memory
//! of the program that looks for it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;

/// The kernel's memory as an ELF core file (Linux 6.1, `fs/proc/kcore.c`).
const CORE: &str = "/proc/kcore";
/// Where the ELF header has the program headers' offset, size and number, and its own size
/// (System V Application Binary Interface, "ELF-64 Object File Format", version 1.5, section 3).
const HEADERS_OFFSET: usize = 32;
const HEADER_COUNT: usize = 56;
const ELF_HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;
/// A program header's type for memory, and what stands for no physical address there.
const LOAD: u64 = 1;
const NO_ADDRESS: u64 = u64::MAX;
/// The kernel's own image is mapped a second time from here on.
const KERNEL_IMAGE: u64 = 0xffff_ffff_8000_0000;
/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;
/// How much of the word is put into files, which is the kernel's memory.
const FILE_BYTES: usize = 8 << 20;
const FILE: &str = "/left";

/// What a search has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Search {
    /// How many bytes were looked at.
    pub bytes: u64,
    /// How often the word was there.
    pub found: u64,
}

/// Looks for the word with these halves in all RAM that the kernel has.
pub fn search(halves: [u32; 2]) -> io::Result<Search> {
    let core = File::open(CORE)?;
    let mut search = Search::default();
    let mut piece = vec![0; PIECE_BYTES];
    for (offset, bytes) in ram(&core)? {
        let end = offset.saturating_add(bytes);
        for at in (offset..end).step_by(PIECE_BYTES) {
            let left = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE_BYTES);
            let (piece, _) = piece.split_at_mut(left.min(PIECE_BYTES));
            core.read_exact_at(piece, at)?;
            search.bytes = search.bytes.saturating_add(left.min(PIECE_BYTES) as u64);
            search.found = search.found.saturating_add(count(piece, halves));
        }
    }
    Ok(search)
}

/// Where the RAM is in the core file, and how long.
fn ram(core: &File) -> io::Result<Vec<(u64, u64)>> {
    let mut header = [0; ELF_HEADER_BYTES];
    core.read_exact_at(&mut header, 0)?;
    let count = usize::from(u16::from_le_bytes(array(&header, HEADER_COUNT)));
    let mut headers = vec![0; count.saturating_mul(PROGRAM_HEADER_BYTES)];
    core.read_exact_at(
        &mut headers,
        u64::from_le_bytes(array(&header, HEADERS_OFFSET)),
    )?;
    Ok(headers
        .chunks_exact(PROGRAM_HEADER_BYTES)
        .filter_map(ram_of)
        .collect())
}

/// A program header's offset and size in the file, if it is of RAM.
fn ram_of(header: &[u8]) -> Option<(u64, u64)> {
    let field = |at| u64::from_le_bytes(array(header, at));
    let (kind, offset, virtual_address) = (field(0) & 0xffff_ffff, field(8), field(16));
    let (physical_address, bytes) = (field(24), field(32));
    let is_ram = kind == LOAD && physical_address != NO_ADDRESS && virtual_address < KERNEL_IMAGE;
    is_ram.then_some((offset, bytes))
}

/// The bytes at `at`; zeros where there are none.
fn array<const SIZE: usize>(bytes: &[u8], at: usize) -> [u8; SIZE] {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().unwrap_or([0; SIZE])
}

fn count(bytes: &[u8], [high, low]: [u32; 2]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    let is_word = |word: &&[u8; 8]| {
        let [a, b, c, d, e, f, g, h] = **word;
        u32::from_le_bytes([e, f, g, h]) == high && u32::from_le_bytes([a, b, c, d]) == low
    };
    words.iter().filter(is_word).count() as u64
}

/// Puts the word into half of the memory that is free, and into a file. It stays there; how
/// many bytes that is.
pub fn fill([high, low]: [u32; 2]) -> io::Result<u64> {
    let word = (u64::from(high) << 32 | u64::from(low)).to_le_bytes();
    fs::write(FILE, word.repeat(FILE_BYTES >> 3))?;
    let half = available_bytes()? >> 1;
    let bytes = word.repeat(half >> 3).leak().len();
    Ok(bytes.saturating_add(FILE_BYTES) as u64)
}

/// What the kernel would give a program.
fn available_bytes() -> io::Result<usize> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kibibytes = text.lines().find_map(|line| {
        line.strip_prefix("MemAvailable:")?
            .trim()
            .strip_suffix(" kB")
    });
    let missing = || io::Error::other("/proc/meminfo does not tell what is available");
    let kibibytes: usize = kibibytes
        .and_then(|number| number.parse().ok())
        .ok_or_else(missing)?;
    Ok(kibibytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_where_both_halves_are_right() {
        let word = 0x0123_4567_89ab_cdef_u64.to_le_bytes();
        let mut bytes = word.repeat(3);
        bytes[0] ^= 1;
        bytes.extend([0; 8]);
        assert_eq!(count(&bytes, [0x0123_4567, 0x89ab_cdef]), 2);
        bytes[15] ^= 1;
        assert_eq!(count(&bytes, [0x0123_4567, 0x89ab_cdef]), 1);
    }

    #[test]
    fn only_ram_is_searched() {
        let header = |virtual_address: u64, physical_address: u64| {
            let fields = [
                1,
                0x1000,
                virtual_address,
                physical_address,
                0x2000,
                0x2000,
                0,
            ];
            let bytes: Vec<_> = fields
                .iter()
                .flat_map(|field: &u64| field.to_le_bytes())
                .collect();
            ram_of(&bytes)
        };
        let direct_map = 0xffff_8880_0000_0000;
        assert_eq!(header(direct_map, 0x10_0000), Some((0x1000, 0x2000)));
        assert_eq!(header(direct_map, NO_ADDRESS), None);
        assert_eq!(header(KERNEL_IMAGE, 0x10_0000), None);
    }
}
