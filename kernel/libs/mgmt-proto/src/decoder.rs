//! From the line's bytes to frames.

use serde::{Deserialize, Serialize};

use crate::Frame;
use crate::cobs::Progress;
use crate::frame::PAYLOAD_BYTES;

/// What came and was no message, by kind. Each counts what stands between two zeros once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dropped {
    /// Longer than any frame.
    pub too_long: u64,
    /// Not COBS: cut off.
    pub bad_cobs: u64,
    /// The CRC is wrong, or there is no room for one.
    pub bad_crc: u64,
    /// A frame of another version of the protocol. It was answered.
    pub wrong_version: u64,
    /// A frame whose message cannot be read. It was answered, if it was a request.
    pub bad_message: u64,
}

/// Finds frames in a stream of bytes. Whatever has come, the frame behind the next zero is
/// found again.
#[derive(Debug, Clone)]
pub struct Decoder {
    payload: [u8; PAYLOAD_BYTES],
    length: usize,
    progress: Progress,
    overflow: bool,
    dropped: Dropped,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            payload: [0; PAYLOAD_BYTES],
            length: 0,
            progress: Progress::START,
            overflow: false,
            dropped: Dropped::default(),
        }
    }

    /// Takes the line's next byte; the frame that it completes, if it does.
    pub fn push(&mut self, byte: u8) -> Option<Frame<'_>> {
        if byte == 0 {
            return self.finish();
        }
        if let Some(decoded) = self.progress.take(byte) {
            match self.payload.get_mut(self.length) {
                Some(slot) => {
                    *slot = decoded;
                    self.length = self.length.saturating_add(1);
                }
                None => self.overflow = true,
            }
        }
        None
    }

    /// What stands between the last zero and this one.
    fn finish(&mut self) -> Option<Frame<'_>> {
        let progress = core::mem::replace(&mut self.progress, Progress::START);
        let length = core::mem::take(&mut self.length);
        let overflow = core::mem::take(&mut self.overflow);
        if progress == Progress::START && length == 0 {
            // Two zeros side by side: the end of a frame and the beginning of the next.
            return None;
        }
        if overflow {
            count(&mut self.dropped.too_long);
            return None;
        }
        if !progress.is_whole() {
            count(&mut self.dropped.bad_cobs);
            return None;
        }
        let frame = self.payload.get(..length).and_then(Frame::from_payload);
        if frame.is_none() {
            count(&mut self.dropped.bad_crc);
        }
        frame
    }

    /// What was dropped.
    #[must_use]
    pub const fn dropped(&self) -> &Dropped {
        &self.dropped
    }

    /// Counts a frame of another version.
    pub fn count_wrong_version(&mut self) {
        count(&mut self.dropped.wrong_version);
    }

    /// Counts a frame whose message cannot be read.
    pub fn count_bad_message(&mut self) {
        count(&mut self.dropped.bad_message);
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
