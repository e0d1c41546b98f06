//! What a channel's bytes come and go by.

use shared_ring::End;

use crate::host::serial_port::SerialPort;
use crate::partition::devices::SharedPages;

/// A line. Nothing here waits.
pub enum Line {
    /// The machine's own.
    Serial(SerialPort),
    /// Memory that is shared with a partition's guest.
    Ring(End<&'static SharedPages>),
}

impl Line {
    /// The next byte that has come.
    pub fn receive(&mut self) -> Option<u8> {
        match self {
            Self::Serial(port) => port.receive(),
            Self::Ring(end) => end.receive(),
        }
    }

    /// Sends as many of `bytes` as the line takes now; how many.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Serial(port) => port.send(bytes),
            Self::Ring(end) => end.send(bytes),
        }
    }

    /// Whether bytes were lost since the last question.
    pub fn has_overrun(&mut self) -> bool {
        match self {
            Self::Serial(port) => port.has_overrun(),
            Self::Ring(end) => end.has_overrun(),
        }
    }
}
