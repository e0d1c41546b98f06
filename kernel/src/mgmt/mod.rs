//! The management channels' server: what an administrator asks over a serial line, or a
//! partition through memory that it shares with Bulkhead, is answered by the housekeeping core.
//!
//! Key types: [`Channel`], a line with what is under way on it, and [`Desk`], which carries
//! requests out. The protocol is `mgmt-proto`'s, which also decides who may ask what.
//!
//! Nothing here waits: bytes are taken as they have come, an answer goes out as the line takes
//! it, and one that nobody reads gives way to the next. A channel shares nothing with another:
//! what one asker does, another sees only in what the plan lets both see.

mod desk;
mod line;
mod records;
mod replacement;
mod wire;

use mgmt_proto::frame::FRAME_BYTES;
use mgmt_proto::{Asker, BODY_BYTES, FrameBuffer, Server};
use plan::{ImagePart, Plan};
use shared_ring::End;

use crate::cpu::reset;
use crate::cpu::time;
use crate::host::frames;
use crate::host::given_up::Sealed;
use crate::host::serial_port::SerialPort;
use crate::host::wall_clock;
use crate::partition::Partition;
use crate::partition::custody::Custody;
use crate::partition::devices::SharedPages;
use desk::Desk;
use line::Line;
use records::Records;

/// Bytes that are taken in one go: others want to be looked after.
const RECEIVED_BYTES: usize = 64;
/// How long a line that has said something is expected to go on.
const BUSY_MILLISECONDS: u64 = 20;
/// How long the answer to a reset of the machine may take to go out.
const LAST_ANSWER_MILLISECONDS: u64 = 100;

/// What the server says of Bulkhead itself.
#[derive(Clone, Copy)]
pub struct About {
    /// The plan.
    pub plan: &'static Plan,
    /// The CRC-32C of its binary form.
    pub plan_crc32c: u32,
    /// The back end's name, in lower case.
    pub back_end: &'static str,
}

/// Who is at a line's other end.
#[derive(Clone, Copy)]
enum Peer {
    Administrator,
    /// A partition's guest.
    Guest {
        partition: &'static Partition,
        /// What it shares with us.
        pages: &'static SharedPages,
        /// What the plan says of the partition.
        rights: &'static plan::Partition,
        /// Which of its guests it is: the number of starts.
        life: u64,
    },
}

impl Peer {
    const fn asker(self) -> Asker<'static> {
        match self {
            Self::Administrator => Asker::Administrator,
            Self::Guest { rights, .. } => Asker::Partition(rights),
        }
    }
}

/// A line, who is at its other end, and what is under way on it.
pub struct Channel {
    line: Line,
    peer: Peer,
    about: About,
    server: Server,
    out: FrameBuffer,
    /// The bytes of the answer in `out`, and how many of them have gone out.
    length: usize,
    sent: usize,
    /// Answers that gave way to the next before they had gone out.
    unsent: u64,
    overruns: u64,
    /// Until when the line is expected to go on.
    busy_until: u64,
    /// Where answers are put together.
    scratch: [u8; BODY_BYTES],
    /// What has happened that the asker may know of.
    records: Records,
    reset_at: Option<u64>,
}

impl Channel {
    /// The administrator's, on `port`; `None` if no memory is left for it.
    pub fn of_machine(port: SerialPort, about: About) -> Option<&'static mut Self> {
        Self::new(Line::Serial(port), Peer::Administrator, about)
    }

    /// The one by which `partition` asks through `pages`; `rights` is what the plan says of
    /// that partition. `None` if no memory is left for it.
    pub fn of_partition(
        partition: &'static Partition,
        pages: &'static SharedPages,
        rights: &'static plan::Partition,
        about: About,
    ) -> Option<&'static mut Self> {
        let peer = Peer::Guest {
            partition,
            pages,
            rights,
            life: 0,
        };
        Self::new(Line::Ring(End::new(pages)), peer, about)
    }

    /// Never inlined: it takes several times a channel's size of the caller's stack.
    #[inline(never)]
    fn new(line: Line, peer: Peer, about: About) -> Option<&'static mut Self> {
        frames::place(Self {
            line,
            peer,
            about,
            server: new_server(),
            out: [0; FRAME_BYTES],
            length: 0,
            sent: 0,
            unsent: 0,
            overruns: 0,
            busy_until: 0,
            scratch: [0; BODY_BYTES],
            records: Records::new(),
            reset_at: None,
        })
    }

    /// The housekeeping core's loop has gone round once, in so many of the time stamp
    /// counter's ticks.
    pub const fn note_turn(&mut self, ticks: u64) {
        self.records.note_turn(ticks);
    }

    /// A partition has come into the state in which it is now.
    pub fn note_state(&mut self, custody: &Custody, now: u64) {
        if self.peer.asker().sees(&custody.partition.name) {
            self.records.note_state(custody, now);
        }
    }

    /// An image of a partition was replaced, or is the bundle's again.
    pub fn note_image(&mut self, custody: &Custody, part: ImagePart, now: u64) {
        if self.peer.asker().sees(&custody.partition.name) {
            self.records.note_image(custody, part, now);
        }
    }

    /// The machine was sealed.
    pub fn note_sealed(&mut self, sealed: Sealed, now: u64) {
        if matches!(self.peer, Peer::Administrator) {
            self.records.note_sealed(sealed, now);
        }
    }

    /// The IOMMU has refused something to a function of `owner`, or of nobody.
    pub fn note_fault(&mut self, owner: Option<&Partition>, fault: &vtd::FaultRecord, now: u64) {
        let is_seen = match owner {
            Some(owner) => self.peer.asker().sees(&owner.name),
            None => matches!(self.peer, Peer::Administrator),
        };
        if is_seen {
            self.records.note_fault(owner, fault, now);
        }
    }

    /// Whether the line is in use, so that it is worth looking at it again at once: a fast one
    /// fills its 16 bytes as often as they are taken.
    pub const fn is_busy(&self, now: u64) -> bool {
        now < self.busy_until
    }

    /// Takes what has come, carries out what that asks, and sends what goes.
    pub fn serve(&mut self, custodies: &mut [Custody], now: u64) {
        if !self.is_attended(custodies) {
            return;
        }
        for _ in 0..RECEIVED_BYTES {
            let Some(byte) = self.line.receive() else {
                break;
            };
            self.take(byte, custodies, now);
            self.busy_until = now.saturating_add(BUSY_MILLISECONDS);
        }
        if self.line.has_overrun() {
            self.overruns = self.overruns.saturating_add(1);
        }
        let rest = self.out.get(self.sent..self.length).unwrap_or_default();
        self.sent = self.sent.saturating_add(self.line.send(rest));
        if let Some(at) = self.reset_at
            && (self.sent >= self.length || now >= at)
        {
            reset::machine();
        }
    }

    /// Whether somebody is at the other end: of a partition's channel its guest, while it runs.
    /// To each of its guests the conversation is a new one.
    fn is_attended(&mut self, custodies: &[Custody]) -> bool {
        let Peer::Guest {
            partition,
            pages,
            life,
            ..
        } = &mut self.peer
        else {
            return true;
        };
        let mut custodies = custodies.iter();
        let custody = custodies.find(|custody| core::ptr::eq(custody.partition, *partition));
        let lifecycle = custody.map(Custody::lifecycle);
        let Some(lifecycle) = lifecycle.filter(|one| one.runs()) else {
            return false;
        };
        if lifecycle.starts() != *life {
            *life = lifecycle.starts();
            // The pages were cleared when the guest before had left.
            self.line = Line::Ring(End::new(*pages));
            self.server = new_server();
            self.length = 0;
            self.sent = 0;
        }
        true
    }

    fn take(&mut self, byte: u8, custodies: &mut [Custody], now: u64) {
        let mut desk = Desk {
            about: self.about,
            peer: self.peer,
            custodies,
            records: &self.records,
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

/// A server in a session of its own: nobody begins two in the same cycle.
fn new_server() -> Server {
    let [low, ..] = [time::read_tsc() as u32];
    Server::new(low ^ wall_clock::boot_seconds().rotate_left(16))
}
