//! Frames: how a message is put on the line. The layout is on the crate's front page.

use plan::crc32c;
use serde::Serialize;

use crate::cobs;

/// The version of the protocol. `CHANGELOG.md` says what each version changed.
pub const VERSION: u8 = 2;
/// The bytes of a header.
const HEADER_BYTES: usize = 10;
/// The bytes of the CRC.
const CRC_BYTES: usize = 4;
/// The most bytes of a message. A full frame takes 88 ms at 115200 baud, 10 bits a byte.
pub const BODY_BYTES: usize = 1000;
/// The most bytes of a payload: header, message and CRC.
pub(crate) const PAYLOAD_BYTES: usize = HEADER_BYTES + BODY_BYTES + CRC_BYTES;
/// The most bytes of a frame with its two zeros.
pub const FRAME_BYTES: usize = cobs::encoded_bytes(PAYLOAD_BYTES) + 2;

/// Room for one frame.
pub type FrameBuffer = [u8; FRAME_BYTES];

/// Who speaks. A line that echoes is told from a server by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A client asks.
    Request,
    /// The server answers.
    Answer,
}

impl Direction {
    const fn to_byte(self) -> u8 {
        match self {
            Self::Request => b'?',
            Self::Answer => b'!',
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'?' => Some(Self::Request),
            b'!' => Some(Self::Answer),
            _ => None,
        }
    }
}

/// What stands before every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The version of the protocol that the message is in.
    pub version: u8,
    /// Who speaks; `None` for a byte that no version knows.
    pub direction: Option<Direction>,
    /// The request's id.
    pub id: u32,
    /// The session; 0 in a [`Request::Hello`](crate::Request::Hello), which asks for it.
    pub session: u32,
}

/// A frame that came whole: its CRC is right, its message not looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What stands before the message.
    pub header: Header,
    /// The message, in the encoding of the header's version.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame with this payload; `None` if the CRC is wrong or there is no room for one.
    pub(crate) fn from_payload(payload: &'a [u8]) -> Option<Self> {
        let (covered, crc) = payload.split_last_chunk::<CRC_BYTES>()?;
        if crc32c(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        let ([version, direction], rest) = covered.split_first_chunk::<2>()?;
        let (id, rest) = rest.split_first_chunk::<4>()?;
        let (session, body) = rest.split_first_chunk::<4>()?;
        let header = Header {
            version: *version,
            direction: Direction::from_byte(*direction),
            id: u32::from_le_bytes(*id),
            session: u32::from_le_bytes(*session),
        };
        Some(Self { header, body })
    }
}

/// The message does not fit in a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Who speaks, about which request, in which session; the version is [`VERSION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Who speaks.
    pub direction: Direction,
    /// The request's id.
    pub id: u32,
    /// The session.
    pub session: u32,
}

/// Writes the frame that carries `message` into `out` and returns it.
///
/// # Errors
/// The message does not fit.
pub fn encode<'o, M: Serialize>(
    envelope: Envelope,
    message: &M,
    out: &'o mut FrameBuffer,
) -> Result<&'o [u8], TooLong> {
    let mut payload = [0; PAYLOAD_BYTES];
    let covered = write_covered(envelope, message, &mut payload)?;
    let crc = payload.get(..covered).map(crc32c).ok_or(TooLong)?;
    let used = covered.checked_add(CRC_BYTES).ok_or(TooLong)?;
    let tail = payload.get_mut(covered..used).ok_or(TooLong)?;
    tail.copy_from_slice(&crc.to_le_bytes());
    let payload = payload.get(..used).ok_or(TooLong)?;
    wrap(payload, out).ok_or(TooLong)
}

/// Writes header and message; returns their length.
fn write_covered<M: Serialize>(
    envelope: Envelope,
    message: &M,
    payload: &mut [u8; PAYLOAD_BYTES],
) -> Result<usize, TooLong> {
    let (header, rest) = payload
        .split_first_chunk_mut::<HEADER_BYTES>()
        .ok_or(TooLong)?;
    let [i0, i1, i2, i3] = envelope.id.to_le_bytes();
    let [s0, s1, s2, s3] = envelope.session.to_le_bytes();
    let direction = envelope.direction.to_byte();
    *header = [VERSION, direction, i0, i1, i2, i3, s0, s1, s2, s3];
    let room = rest.get_mut(..BODY_BYTES).ok_or(TooLong)?;
    let body = postcard::to_slice(message, room).map_err(|_| TooLong)?;
    body.len().checked_add(HEADER_BYTES).ok_or(TooLong)
}

/// Puts `payload` between two zeros. The first one ends whatever the line has carried before.
fn wrap<'o>(payload: &[u8], out: &'o mut FrameBuffer) -> Option<&'o [u8]> {
    let (first, rest) = out.split_first_mut()?;
    *first = 0;
    let encoded = cobs::encode(payload, rest)?;
    *rest.get_mut(encoded)? = 0;
    out.get(..encoded.checked_add(2)?)
}
