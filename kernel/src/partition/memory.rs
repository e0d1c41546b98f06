//! A partition's memory: which host-physical ranges stand where the guest sees RAM.

extern crate alloc;
use alloc::vec::Vec;

use addr::{Address, GuestPhysical, HostPhysical, Range};
use guest_image::layout::{HIGH_RAM, LOW_RAM_LIMIT};
use guest_image::{GuestMemory, OutOfRange};

use crate::host::physical::Ram;

/// One piece of guest RAM.
#[derive(Debug)]
struct Piece {
    guest: Range<GuestPhysical>,
    ram: Ram,
}

/// A partition's memory.
#[derive(Debug)]
pub struct GuestRam {
    pieces: Vec<Piece>,
}

impl GuestRam {
    /// Lays the host's ranges out as the guest sees them: from 0 up to 2 GiB, the rest from
    /// 4 GiB on; a range that crosses the gap is cut.
    ///
    /// # Safety
    /// The ranges are RAM, identity mapped, that is the partition's alone: nobody else makes
    /// a [`Ram`] of any byte of them.
    pub unsafe fn new(ranges: &[Range<HostPhysical>]) -> Self {
        let mut pieces = Vec::new();
        let mut guest = GuestPhysical::new(0);
        for range in ranges {
            let mut rest = Some(*range);
            while let Some(range) = rest {
                let (piece, next, remaining) = place(range, guest);
                // SAFETY: the caller vouches for the ranges; `place` cuts them into disjoint
                // pieces.
                let ram = unsafe { Ram::new(piece) };
                if let Some(guest) = Range::new(guest, piece.bytes()) {
                    pieces.push(Piece { guest, ram });
                }
                guest = next;
                rest = remaining;
            }
        }
        Self { pieces }
    }

    /// The pieces: where the guest sees them, and what they are.
    pub fn pieces(
        &self,
    ) -> impl Iterator<Item = (Range<GuestPhysical>, Range<HostPhysical>)> + Clone {
        self.pieces
            .iter()
            .map(|piece| (piece.guest, piece.ram.range()))
    }

    /// The bytes of all pieces.
    pub fn bytes(&self) -> u64 {
        self.pieces
            .iter()
            .fold(0, |sum, piece| sum.saturating_add(piece.guest.bytes()))
    }

    /// What stands where the guest sees `range`, if that is all one piece.
    pub fn host(&self, range: Range<GuestPhysical>) -> Option<Range<HostPhysical>> {
        let (piece, offset) = self.find(range.start())?;
        let start = piece.ram.range().start().checked_add(offset)?;
        let host = Range::new(start, range.bytes())?;
        piece.ram.range().encloses(host).then_some(host)
    }

    /// Clears all of it.
    pub fn clear(&self) {
        for piece in &self.pieces {
            piece.ram.clear();
        }
    }

    /// Clears up to `bytes` bytes behind the first `done`, counted through all pieces; how
    /// many are clear then, or `None` if all of it was.
    pub fn clear_more(&self, done: u64, bytes: u64) -> Option<u64> {
        let mut offset = done;
        for piece in &self.pieces {
            let size = piece.guest.bytes();
            match offset.checked_sub(size) {
                Some(beyond) => offset = beyond,
                None => return done.checked_add(piece.ram.clear_part(offset, bytes)),
            }
        }
        None
    }

    /// Reads the aligned 64-bit word at `address`. Always inlined, for a walk of the guest's tables
    /// is little else.
    #[inline(always)]
    pub fn read_u64(&self, address: GuestPhysical) -> Option<u64> {
        let (piece, offset) = self.find(address)?;
        piece.ram.read_u64(offset).ok()
    }

    /// Reads the 16 bytes at `address`, the first one lowest, aligned or not, if they are in
    /// one piece.
    pub fn read_u128(&self, address: GuestPhysical) -> Option<u128> {
        let (piece, offset) = self.find(address)?;
        piece.ram.read_u128(offset).ok()
    }

    #[inline(always)]
    fn find(&self, address: GuestPhysical) -> Option<(&Piece, u64)> {
        self.pieces
            .iter()
            .find_map(|piece| Some((piece, piece.guest.offset_of(address)?)))
    }
}

/// Cuts from `range` what fits at `guest` below the gap; gives that, the guest's next
/// address, and what is left.
fn place(
    range: Range<HostPhysical>,
    guest: GuestPhysical,
) -> (
    Range<HostPhysical>,
    GuestPhysical,
    Option<Range<HostPhysical>>,
) {
    let below_gap = LOW_RAM_LIMIT
        .checked_offset_from(guest)
        .filter(|room| *room > 0);
    let room = below_gap.unwrap_or(u64::MAX).min(range.bytes());
    let piece = Range::new(range.start(), room).unwrap_or(range);
    let rest = range.end().checked_offset_from(piece.end());
    let rest = rest.and_then(|bytes| Range::new(piece.end(), bytes));
    let next = guest.checked_add(piece.bytes()).unwrap_or(guest);
    let next = if next == LOW_RAM_LIMIT {
        HIGH_RAM
    } else {
        next
    };
    (piece, next, rest)
}

impl GuestMemory for &GuestRam {
    fn write(&mut self, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
        write(self, at, bytes)
    }
}

impl vdev::virtio::Memory for GuestRam {
    fn read_u16(&self, at: GuestPhysical) -> Option<u16> {
        let (piece, offset) = self.find(at)?;
        piece.ram.read_u16(offset).ok()
    }

    fn read_u64(&self, at: GuestPhysical) -> Option<u64> {
        Self::read_u64(self, at)
    }

    fn read_u8(&self, at: GuestPhysical) -> Option<u8> {
        let (piece, offset) = self.find(at)?;
        piece.ram.read_u8(offset).ok()
    }

    fn write_u16(&self, at: GuestPhysical, value: u16) -> Option<()> {
        let (piece, offset) = self.find(at)?;
        piece.ram.write_u16(offset, value).ok()
    }

    fn write(&self, at: GuestPhysical, bytes: &[u8]) -> Option<()> {
        write(self, at, bytes).ok()
    }
}

/// Writes through a shared reference, for what Bulkhead tells a running guest.
///
/// # Errors
/// A byte of it is not the partition's RAM.
pub fn write(memory: &GuestRam, at: GuestPhysical, bytes: &[u8]) -> Result<(), OutOfRange> {
    let error = OutOfRange {
        at,
        bytes: bytes.len() as u64,
    };
    let mut at = at;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, offset) = memory.find(at).ok_or(error)?;
        let room = piece.guest.bytes().saturating_sub(offset);
        let count = rest.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let (now, later) = rest.split_at_checked(count).ok_or(error)?;
        piece.ram.write(offset, now).map_err(|_| error)?;
        at = at.checked_add(count as u64).ok_or(error)?;
        rest = later;
    }
    Ok(())
}
