//! A guest's console on the machine's own: whole lines with the partition's name before them.

use crate::host::console;
use crate::partition::Partition;

/// A guest's line that is longer is printed in pieces.
const LINE_BYTES: usize = 240;

/// A guest's line, as far as it has come.
pub struct Line {
    bytes: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            bytes: [0; LINE_BYTES],
            length: 0,
        }
    }

    /// Prints what the guest has printed.
    pub fn drain(&mut self, partition: &Partition) {
        while let Some(byte) = partition.console.pop() {
            match byte {
                b'\n' => self.flush(&partition.name),
                b'\r' => {}
                byte => self.push(byte, &partition.name),
            }
        }
    }

    /// Adds a byte; what is no printable ASCII could steer the terminal and becomes a dot.
    fn push(&mut self, byte: u8, name: &str) {
        if self.length >= LINE_BYTES {
            self.flush(name);
        }
        if let Some(slot) = self.bytes.get_mut(self.length) {
            *slot = if byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t') {
                byte
            } else {
                b'.'
            };
            self.length = self.length.saturating_add(1);
        }
    }

    /// Prints what has come so far.
    pub fn flush(&mut self, name: &str) {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        if let Ok(text) = core::str::from_utf8(bytes)
            && !text.is_empty()
        {
            console::print(format_args!("[{name}] {text}\n"));
        }
        self.length = 0;
    }
}
