//! All RAM that the guest has, as the PVH start info lists it (Xen 4.19, public header
//! `arch-x86/hvm/start_info.h`): to be filled and searched.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::memory::{self, Region};

/// Offsets in the start info, and its size from version 1 on.
const MAP_OFFSET: u64 = 40;
const COUNT_OFFSET: u64 = 48;
const START_INFO_BYTES: u64 = 56;
/// An entry of the memory map: address, size, type.
const ENTRY_BYTES: u64 = 24;
const RAM: u32 = 1;
/// One past the memory that is mapped to itself.
const MAPPED_END: u64 = 1 << 32;
/// One past the boot structures in low memory, which are dead once they have been read.
const BOOT_STRUCTURES_END: u64 = 0xe000;

/// How many pieces of RAM are kept.
const PIECES: usize = 4;
/// Their starts and ends; both are 0 where there is none.
static KEPT: [[AtomicU64; 2]; PIECES] = [const { [const { AtomicU64::new(0) }; 2] }; PIECES];

/// Keeps what the start info at `start_info` tells of RAM below 4 GiB.
pub(crate) fn keep(start_info: u32) {
    let Some(info) = Region::new(start_info.into(), START_INFO_BYTES) else {
        return;
    };
    let count = u64::from(info.read::<u32>(COUNT_OFFSET));
    let map = info.read(MAP_OFFSET);
    let Some(map) = Region::new(map, count.saturating_mul(ENTRY_BYTES)) else {
        return;
    };
    let entries = (0..count).map(|index| index.saturating_mul(ENTRY_BYTES));
    let ram = entries.filter(|at| map.read::<u32>(at.saturating_add(16)) == RAM);
    for (at, [start, end]) in ram.zip(&KEPT) {
        let first = map.read::<u64>(at);
        let last = first.saturating_add(map.read(at.saturating_add(8)));
        start.store(first.min(MAPPED_END), Ordering::Relaxed);
        end.store(last.min(MAPPED_END), Ordering::Relaxed);
    }
}

/// The addresses of all of the RAM but the guest's own image: starts and ends.
fn pieces() -> impl Iterator<Item = (u64, u64)> {
    let (image_start, image_end) = memory::image();
    KEPT.iter().flat_map(move |kept| {
        let [start, end] = kept.each_ref().map(|bound| bound.load(Ordering::Relaxed));
        let below = (start, end.min(image_start));
        let above = (start.max(image_end), end);
        [below, above]
            .into_iter()
            .filter(|(start, end)| start < end)
    })
}

/// Writes `word` to all of the RAM; how many bytes that is.
pub fn fill(word: u64) -> u64 {
    each_word(|region, offset, _| region.write(offset, word))
}

/// What a search has found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Search {
    /// How many bytes were looked at.
    pub bytes: u64,
    /// The first address that holds the word, or anything where nothing is to be.
    pub found: Option<u64>,
}

/// Looks for the word with these two halves in all of the RAM, and for anything else in what is
/// to be clear at a guest's start: all but the boot structures.
///
/// The word itself is nowhere in the guest that searches: who looks from outside must not find
/// it on its stack.
#[must_use]
pub fn search([high, low]: [u32; 2]) -> Search {
    let mut found = None;
    let bytes = each_word(|region, offset, address| {
        let here = region.read::<u64>(offset);
        let is_word = here >> 32 == high.into() && here & 0xffff_ffff == low.into();
        if here != 0 && (is_word || address >= BOOT_STRUCTURES_END) {
            found.get_or_insert(address);
        }
    });
    Search { bytes, found }
}

/// Calls `visit` with each word's place and address; how many bytes they are together.
fn each_word(mut visit: impl FnMut(&Region, u64, u64)) -> u64 {
    let mut visited = 0_u64;
    for (start, end) in pieces() {
        // Whole words: the RAM and the image end on page boundaries.
        let bytes = end.saturating_sub(start);
        let Some(region) = Region::new(start, bytes) else {
            continue;
        };
        let offsets = (0..bytes).step_by(8);
        offsets.for_each(|offset| visit(&region, offset, start.saturating_add(offset)));
        visited = visited.saturating_add(bytes);
    }
    visited
}
