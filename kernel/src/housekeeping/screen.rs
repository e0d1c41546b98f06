//! The machine's console as a screen: Bulkhead's own messages first, then the guests', each
//! line whole and with the name of who said it. Nothing here waits: what the line does not
//! take now is sent the next time round.

use core::fmt::{self, Write};
use core::sync::atomic::Ordering;

use crate::host::console;
use crate::partition::Partition;

/// A guest's line that is longer is shown in pieces.
const LINE_BYTES: usize = 240;
/// A line with its name and line ending, or a piece of a message.
const PIECE_BYTES: usize = 288;
/// How many pieces are begun in one go: others want to be looked after.
const PIECES: usize = 8;

/// What is being sent, and what was already.
pub struct Screen {
    piece: Piece,
    sent: usize,
    /// Bulkhead's own messages are sent up to here.
    log_position: u64,
    /// Whose turn it is among the guests.
    turn: usize,
}

impl Screen {
    /// A screen that goes on behind what boot has printed by itself.
    pub fn new(log_position: u64) -> Self {
        Self {
            piece: Piece::new(),
            sent: 0,
            log_position,
            turn: 0,
        }
    }

    /// Sends what the line takes; whether there is more.
    pub fn show(&mut self, feeds: &mut [Feed]) -> bool {
        for _ in 0..PIECES {
            let rest = self.piece.bytes().get(self.sent..).unwrap_or_default();
            self.sent = self.sent.saturating_add(console::send(rest));
            if self.sent < self.piece.length {
                return true;
            }
            self.sent = 0;
            self.piece.length = 0;
            if !self.take_message() && !self.take_line(feeds) {
                return false;
            }
        }
        true
    }

    /// The next piece of Bulkhead's own messages.
    fn take_message(&mut self) -> bool {
        // Line feeds become two bytes.
        let mut bytes = [0; PIECE_BYTES / 2];
        let window = console::log().read(self.log_position, &mut bytes);
        self.log_position = window.next();
        for byte in bytes.iter().take(window.count) {
            if *byte == b'\n' {
                self.piece.push(b'\r');
            }
            self.piece.push(*byte);
        }
        window.count > 0
    }

    /// The next line of a guest's, in turn.
    fn take_line(&mut self, feeds: &mut [Feed]) -> bool {
        let count = feeds.len();
        for index in (self.turn..count).chain(0..self.turn) {
            if let Some(feed) = feeds.get_mut(index)
                && feed.take_line(&mut self.piece)
            {
                self.turn = index.saturating_add(1);
                return true;
            }
        }
        false
    }
}

/// One guest's console on its way to the screen.
pub struct Feed {
    partition: &'static Partition,
    position: u64,
    line: [u8; LINE_BYTES],
    length: usize,
    is_ended: bool,
}

impl Feed {
    /// Nothing of the partition's shown yet.
    pub const fn new(partition: &'static Partition) -> Self {
        Self {
            partition,
            position: 0,
            line: [0; LINE_BYTES],
            length: 0,
            is_ended: false,
        }
    }

    /// The guest has ended: what it has printed of a line is one. Whether all of it is shown.
    pub fn end(&mut self) -> bool {
        let is_shown = self.position == self.partition.console.end() && self.length == 0;
        self.is_ended = !is_shown;
        is_shown
    }

    /// Puts the guest's next line into `piece`, if there is one.
    fn take_line(&mut self, piece: &mut Piece) -> bool {
        loop {
            let mut bytes = [0; 64];
            let window = self.partition.console.read(self.position, &mut bytes);
            let lost = window.first.saturating_sub(self.position);
            self.partition
                .console_lost
                .fetch_add(lost, Ordering::Relaxed);
            self.position = window.first;
            for byte in bytes.iter().take(window.count) {
                self.position = self.position.saturating_add(1);
                if self.add(*byte) {
                    return self.finish(piece);
                }
            }
            if window.count == 0 {
                return self.is_ended && self.length > 0 && self.finish(piece);
            }
        }
    }

    /// Adds a byte; whether that makes a line. What is no printable ASCII could steer the
    /// terminal and becomes a dot.
    fn add(&mut self, byte: u8) -> bool {
        let shown = match byte {
            b'\n' => return self.length > 0,
            b'\r' => return false,
            b' '..=b'~' | b'\t' => byte,
            _ => b'.',
        };
        if let Some(slot) = self.line.get_mut(self.length) {
            *slot = shown;
        }
        self.length = self.length.saturating_add(1);
        self.length >= LINE_BYTES
    }

    fn finish(&mut self, piece: &mut Piece) -> bool {
        let line = self.line.get(..self.length).unwrap_or_default();
        let text = core::str::from_utf8(line).unwrap_or_default();
        // There is room for the longest name and line.
        let _ = write!(piece, "[{}] {text}\r\n", self.partition.name);
        self.length = 0;
        true
    }
}

/// Bytes on their way to the line.
struct Piece {
    bytes: [u8; PIECE_BYTES],
    length: usize,
}

impl Piece {
    const fn new() -> Self {
        Self {
            bytes: [0; PIECE_BYTES],
            length: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = byte;
            self.length = self.length.saturating_add(1);
        }
    }
}

impl Write for Piece {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}
