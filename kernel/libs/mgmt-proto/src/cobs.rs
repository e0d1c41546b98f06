//! Consistent Overhead Byte Stuffing (S. Cheshire, M. Baker, "Consistent Overhead Byte
//! Stuffing", IEEE/ACM Transactions on Networking 7(2), 1999): any bytes, written without a
//! zero, at the price of one byte in 254.
//!
//! Written here and not taken from the crate `cobs`: its encoder panics when the destination
//! is short, and its decoder cannot say why it stopped. The crate judges ours in the tests.

/// The most bytes that `bytes` become.
pub const fn encoded_bytes(bytes: usize) -> usize {
    bytes.saturating_add(bytes.div_ceil(RUN)).saturating_add(1)
}

/// The most bytes of one block behind its code.
const RUN: usize = 254;

/// Writes the encoding of `bytes` to the front of `out` and returns its length; `None` if
/// there is no room.
pub fn encode(bytes: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut used = 0_usize;
    // A block for each zero, and one for what stands behind the last; long ones are split.
    let mut blocks = bytes.split(|byte| *byte == 0).peekable();
    while let Some(mut block) = blocks.next() {
        while block.len() >= RUN {
            let (run, rest) = block.split_at_checked(RUN)?;
            used = put(out, used, run)?;
            block = rest;
            // A full run stands for no zero, so at the very end nothing need follow it.
            if block.is_empty() && blocks.peek().is_none() {
                return Some(used);
            }
        }
        used = put(out, used, block)?;
    }
    Some(used)
}

/// Writes one block, its code before it; returns where the next one goes.
fn put(out: &mut [u8], at: usize, block: &[u8]) -> Option<usize> {
    let start = at.checked_add(1)?;
    let end = start.checked_add(block.len())?;
    out.get_mut(start..end)?.copy_from_slice(block);
    let code = block.len().checked_add(1)?;
    *out.get_mut(at)? = u8::try_from(code).ok()?;
    Some(end)
}

/// Where a decoder is between two zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the block that are still to come.
    left: u8,
    /// Whether a zero follows the block, if another block does.
    zero: bool,
}

/// What a byte of an encoding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Nothing,
    /// The next byte of what was encoded.
    Byte(u8),
}

impl Progress {
    /// Before the first byte.
    pub const START: Self = Self {
        left: 0,
        zero: false,
    };

    /// Takes a byte that is not zero.
    pub const fn take(&mut self, byte: u8) -> Step {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Step::Byte(byte);
        }
        let step = if self.zero {
            Step::Byte(0)
        } else {
            Step::Nothing
        };
        self.left = byte.saturating_sub(1);
        self.zero = byte != u8::MAX;
        step
    }

    /// Whether an encoding may end here.
    pub const fn is_whole(self) -> bool {
        self.left == 0
    }
}
