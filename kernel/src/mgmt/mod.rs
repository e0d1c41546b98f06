//! The management channel's server: what an administrator asks over a serial line is answered
//! by the housekeeping core.
//!
//! Key types: [`Channel`], the line with what is under way on it, and [`Desk`], which carries
//! requests out. The protocol is `mgmt-proto`'s.
//!
//! Nothing here waits: bytes are taken as they have come, an answer goes out as the
//! transmitter takes it, and one that nobody reads gives way to the next.

mod desk;
mod records;
mod wire;

use mgmt_proto::frame::FRAME_BYTES;
use mgmt_proto::{BODY_BYTES, FrameBuffer, Server};
use plan::Plan;

use crate::cpu::reset;
use crate::cpu::time;
use crate::host::serial_port::SerialPort;
use crate::host::wall_clock;
use crate::partition::custody::Custody;
use desk::Desk;
pub use records::Records;

/// Bytes that are taken in one go: others want to be looked after.
const RECEIVED_BYTES: usize = 64;
/// How long the answer to a reset of the machine may take to go out.
const LAST_ANSWER_MILLISECONDS: u64 = 100;

/// What the server says of Bulkhead itself.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The plan.
    pub plan: &'static Plan,
    /// The CRC-32C of its binary form.
    pub plan_crc32c: u32,
    /// The back end's name, in lower case.
    pub back_end: &'static str,
}

/// The line, and what is under way on it.
pub struct Channel {
    port: SerialPort,
    about: About,
    server: Server,
    out: FrameBuffer,
    /// The bytes of the answer in `out`, and how many of them have gone out.
    length: usize,
    sent: usize,
    /// Answers that gave way to the next before they had gone out.
    unsent: u64,
    overruns: u64,
    /// Where answers are put together.
    scratch: [u8; BODY_BYTES],
    reset_at: Option<u64>,
}

impl Channel {
    /// A server on `port`.
    pub fn new(port: SerialPort, about: About) -> Self {
        // Different from boot to boot: nobody starts a machine twice in the same cycle.
        let [low, ..] = [time::read_tsc() as u32];
        Self {
            port,
            about,
            server: Server::new(low ^ wall_clock::boot_seconds().rotate_left(16)),
            out: [0; FRAME_BYTES],
            length: 0,
            sent: 0,
            unsent: 0,
            overruns: 0,
            scratch: [0; BODY_BYTES],
            reset_at: None,
        }
    }

    /// Takes what has come, carries out what that asks, and sends what goes.
    pub fn serve(&mut self, custodies: &mut [Custody], records: &Records, now: u64) {
        for _ in 0..RECEIVED_BYTES {
            let Some(byte) = self.port.receive() else {
                break;
            };
            self.take(byte, custodies, records, now);
        }
        if self.port.has_overrun() {
            self.overruns = self.overruns.saturating_add(1);
        }
        let rest = self.out.get(self.sent..self.length).unwrap_or_default();
        self.sent = self.sent.saturating_add(self.port.send(rest));
        if let Some(at) = self.reset_at
            && (self.sent >= self.length || now >= at)
        {
            reset::machine();
        }
    }

    fn take(&mut self, byte: u8, custodies: &mut [Custody], records: &Records, now: u64) {
        let mut desk = Desk {
            about: self.about,
            custodies,
            records,
            scratch: &mut self.scratch,
            lost: desk::Lost {
                overruns: self.overruns,
                unsent: self.unsent,
            },
            resets: false,
            now,
        };
        let Some(frame) = self.server.push(byte, &mut desk, &mut self.out) else {
            return;
        };
        if self.sent < self.length {
            self.unsent = self.unsent.saturating_add(1);
        }
        self.length = frame.len();
        self.sent = 0;
        if desk.resets {
            self.reset_at = Some(now.saturating_add(LAST_ANSWER_MILLISECONDS));
        }
    }
}
