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

impl Progress {
    /// Before the first byte.
    pub const START: Self = Self {
        left: 0,
        zero: false,
    };

    /// Takes a byte that is not zero. The answer is the next byte of what was encoded, if this
    /// one makes it known.
    pub fn take(&mut self, byte: u8) -> Option<u8> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Some(byte);
        }
        let decoded = self.zero.then_some(0);
        self.left = byte.saturating_sub(1);
        self.zero = byte != u8::MAX;
        decoded
    }

    /// Whether an encoding may end here.
    pub const fn is_whole(self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0xaa; encoded_bytes(bytes.len())];
        let length = encode(bytes, &mut out).unwrap();
        out.truncate(length);
        out
    }

    /// What the steps give; `None` if the encoding is cut off.
    fn decoded(encoding: &[u8]) -> Option<Vec<u8>> {
        let mut progress = Progress::START;
        let bytes = encoding.iter().filter_map(|byte| progress.take(*byte));
        let bytes = bytes.collect();
        progress.is_whole().then_some(bytes)
    }

    /// Bytes with few zeros, so that there are runs of every length around 254.
    fn runs() -> impl Strategy<Value = Vec<u8>> {
        let run = (0..520_usize, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]);
        prop::collection::vec(run, 0..4).prop_map(|runs| runs.join(&0))
    }

    #[test]
    fn examples_of_the_article_hold() {
        assert_eq!(encoded(&[]), [1]);
        assert_eq!(encoded(&[0]), [1, 1]);
        assert_eq!(encoded(&[0x11, 0x22, 0, 0x33]), [3, 0x11, 0x22, 2, 0x33]);
        let mut run = encoded(&[7; 254]);
        assert_eq!(run.remove(0), 255);
        assert_eq!(run, [7; 254]);
    }

    #[test]
    fn an_encoding_without_room_is_refused() {
        for length in 0..=encoded_bytes(600) {
            let mut out = vec![0; length];
            let fits = length >= encoded(&[7; 600]).len();
            assert_eq!(encode(&[7; 600], &mut out).is_some(), fits, "{length}");
        }
    }

    #[test]
    fn an_encoding_that_is_cut_off_is_not_whole() {
        let encoding = encoded(&[7; 10]);
        assert_eq!(decoded(&encoding[..10]), None);
        assert!(decoded(&encoding).is_some());
    }

    proptest! {
        #[test]
        fn encoding_is_free_of_zeros_and_the_crate_reads_it(bytes in runs()) {
            let encoding = encoded(&bytes);
            prop_assert!(!encoding.contains(&0));
            prop_assert_eq!(::cobs::decode_vec(&encoding).unwrap(), bytes);
        }

        #[test]
        fn decoding_gives_back_what_the_crate_has_encoded(bytes in runs()) {
            prop_assert_eq!(decoded(&::cobs::encode_vec(&bytes)), Some(bytes));
        }

        #[test]
        fn decoding_of_anything_agrees_with_the_crate(
            encoding in prop::collection::vec(prop_oneof![1..4_u8, 1..=255_u8], 1..600),
        ) {
            prop_assert_eq!(decoded(&encoding), ::cobs::decode_vec(&encoding).ok());
        }
    }
}
