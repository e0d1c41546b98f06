//! A stream of bytes each way through memory that two sides share.
//!
//! Key types: [`End`], one side's end of both streams, and [`Pages`], the memory as that side
//! has it.
//!
//! # The memory
//!
//! Two pages of 4 KiB. Each side writes one of them and reads the other; a side that can keep
//! the other from writing its page should. Both have the same form:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | [`SENT`]: how many bytes this side has ever sent |
//! | 64 | 8 | [`TAKEN`]: how many of the other side's bytes this side has ever taken |
//! | 2048 | 2048 | the last bytes that it has sent: byte number `n` at `n` modulo 2048 |
//!
//! Numbers are little-endian, are zero at the beginning and only grow, modulo 2⁶⁴. A side puts its bytes there before it says that it has sent them, and has read the
//! other's before it says that it has taken them.
//!
//! # Trust
//!
//! None. A side keeps its own two numbers in memory of its own and only ever tells them. What
//! the other says is either possible, as seen from here, or it is not: it has sent 0 to 2048
//! bytes that were not taken, and taken no more than it was sent. At an impossible number of
//! bytes sent the stream begins anew, and that is told ([`End::has_overrun`]); an impossible
//! number of bytes taken is no room. Who lies makes noise of its own bytes, and gets no answer;
//! a side that begins again ([`End::resume`]) is heard, whatever was there before.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;

/// The vendor ID of the PCI function whose BAR 0 the two pages are, the guest's first. None is
/// ours; this one is assigned to nobody (pci.ids of 2026), so that no driver takes the function.
pub const VENDOR_ID: u16 = 0xb1cd;
/// Its device ID.
pub const DEVICE_ID: u16 = 0x0001;
/// Its vendor-specific capability, by which it is told from somebody's to whom the vendor ID may
/// be assigned one day: ID, place of the next capability, length, version of the pages' form,
/// signature (PCI Local Bus Specification 3.0, section 6.7 "Capabilities List", appendix H).
pub const CAPABILITY: [u8; 8] = *b"\x09\x00\x08\x01BLKH";
/// The size of a page.
pub const PAGE_BYTES: u64 = 4096;
/// How many bytes can be under way in one direction.
pub const ROOM: u64 = 2048;
/// Where a page has the number of bytes that its side has sent.
pub const SENT: u64 = 0;
/// Where a page has the number of bytes that its side has taken: in another cache line.
pub const TAKEN: u64 = 64;
/// Where a page has the bytes.
const BYTES: u64 = PAGE_BYTES - ROOM;

/// The two pages, as one side has them. Offsets are below [`PAGE_BYTES`], and multiples of 8
/// where a number is read or written.
///
/// Each access is one access to memory, and they happen in the order in which they are asked
/// for: a read not before the reads, and a write not before the reads and writes, that were
/// asked for earlier.
pub trait Pages {
    /// Reads a number of the page that the other side writes.
    fn read_number(&self, offset: u64) -> u64;
    /// Reads a byte of that page.
    fn read_byte(&self, offset: u64) -> u8;
    /// Writes a number of this side's page.
    fn write_number(&self, offset: u64, number: u64);
    /// Writes a byte of this side's page.
    fn write_byte(&self, offset: u64, byte: u8);
}

/// One side's end.
#[derive(Debug)]
pub struct End<P> {
    pages: P,
    sent: u64,
    taken: u64,
    overrun: bool,
}

impl<P: Pages> End<P> {
    /// The end of a side whose page is clear.
    pub const fn new(pages: P) -> Self {
        Self {
            pages,
            sent: 0,
            taken: 0,
            overrun: false,
        }
    }

    /// The end of a side whose page an earlier user has left in any state: what the other side
    /// has sent before is passed over, and it goes on where the other side has taken all.
    #[cfg(any(test, feature = "client"))]
    pub fn resume(pages: P) -> Self {
        let mut end = Self::new(pages);
        end.sent = end.pages.read_number(TAKEN);
        end.pages.write_number(SENT, end.sent);
        end.pass_to(end.pages.read_number(SENT));
        end
    }

    /// The next byte of the other side's, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        let sent = self.pages.read_number(SENT);
        match sent.wrapping_sub(self.taken) {
            0 => None,
            1..=ROOM => {
                let byte = self.pages.read_byte(place(self.taken));
                self.pass_to(self.taken.wrapping_add(1));
                Some(byte)
            }
            _ => {
                self.overrun = true;
                self.pass_to(sent);
                None
            }
        }
    }

    /// Sends as many of `bytes` as there is room for; how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        let under_way = self.sent.wrapping_sub(self.pages.read_number(TAKEN));
        let room = usize::try_from(ROOM.saturating_sub(under_way)).unwrap_or(0);
        let count = bytes.len().min(room);
        for byte in bytes.iter().take(count) {
            self.pages.write_byte(place(self.sent), *byte);
            self.sent = self.sent.wrapping_add(1);
        }
        self.pages.write_number(SENT, self.sent);
        count
    }

    /// Whether, since the last question, the other side has sent what it cannot have.
    pub const fn has_overrun(&mut self) -> bool {
        core::mem::replace(&mut self.overrun, false)
    }

    /// Takes all up to byte number `taken`.
    fn pass_to(&mut self, taken: u64) {
        self.taken = taken;
        self.pages.write_number(TAKEN, taken);
    }
}

/// Where in a page byte number `number` is.
const fn place(number: u64) -> u64 {
    BYTES.saturating_add(number % ROOM)
}
