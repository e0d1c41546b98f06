//! The management channel's wire protocol, version 2: what goes over a serial line (or any
//! other stream of bytes) between Bulkhead and who manages it.
//!
//! Key types: [`Request`] and [`Answer`] are what is said, [`Decoder`] and
//! [`frame::encode`] turn it into bytes and back, and [`Server`] is one side of the
//! conversation whole: bytes in, a [`Handler`] asked at most once for each request, bytes out.
//! [`Asker`] says who may ask what: the server asks it before it asks the handler.
//!
//! # Frames
//!
//! A frame is a zero, a payload in COBS encoding (which has no zero), and a zero. What stands
//! between frames, such as the text of a console on the same line, is dropped and counted.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | [`VERSION`] |
//! | 1 | 1 | [`Direction`] |
//! | 2 | 4 | the request's id; its answer repeats it |
//! | 6 | 4 | the session: a number that every boot of the machine makes anew, never 0 |
//! | 10 | at most [`BODY_BYTES`] | a [`Request`] or an [`Answer`] in postcard's encoding |
//! | then | 4 | CRC-32C of all before |
//!
//! Numbers of the header and the CRC are little-endian. Header and CRC stay as they are in
//! every version, so that each side can say what is wrong with the other's version. The CRC
//! is the plan's and the bundle's (Castagnoli): at these lengths it finds every error of up
//! to three bits, and one CRC is enough for one project.
//!
//! # Conversation
//!
//! The client asks, the server answers; the server never speaks first. Console, events and
//! log are read by *position*: a number that only grows (see [`Page`] and [`Bytes`]), so the
//! server keeps nothing about its clients, reading again is harmless, and what a slow or
//! absent reader missed is known to the byte. Frames that come unasked were rejected: they
//! need a queue for each subscriber and a rule for when it is full, and at 115200 baud they
//! save little. An empty poll and its answer are about 70 bytes, 6 ms of the line; a full
//! answer takes 88 ms, which bounds how long a keystroke waits for its echo.
//!
//! A client that gets no answer repeats the request *with the same id*. Most requests may be
//! carried out twice without harm; for the others ([`Request::happens_once`]) the server
//! remembers the last answers and gives them again. A request of another session is refused
//! with [`Error::OtherSession`], so that what was asked before a restart of the machine (its
//! reset, say) is not done again after it.
//!
//! # Limits
//!
//! Nothing here allocates or panics, on any input. Nothing holds a sender back: a 16550 keeps
//! 16 bytes, so a server on a real one has to take them within 1.3 ms, and even a poll is
//! longer than that. What is lost costs a repeat. There is no encryption and no
//! authentication: who can write to the machine's line manages the machine, and who can write
//! to a partition's ring has that partition's rights.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
#[cfg(any(test, feature = "client"))]
mod client;
mod cobs;
mod decoder;
mod error;
pub mod frame;
mod lifecycle;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod line;
mod name;
mod permission;
mod record;
mod request;
#[cfg(test)]
mod round_trip;
mod sequence;
mod server;
#[cfg(test)]
mod testing;
mod text;

pub use answer::{Answer, Channel, Details, Hello, Resources};
pub use decoder::{Decoder, Dropped};
pub use error::Error;
pub use frame::{BODY_BYTES, Direction, FRAME_BYTES, Frame, FrameBuffer, Header, VERSION};
pub use lifecycle::{State, StopCause};
pub use name::Name;
pub use permission::Asker;
pub use plan::ImagePart;
pub use record::{
    Counters, Event, EventKind, ExitCounts, Fault, FunctionStatus, Health, ImageStatus, Origin,
    Sealed, Summary,
};
pub use request::{MAX_DATA, Request, StopManner};
pub use sequence::{Bytes, Items, Page};
pub use server::{Handler, Server};
pub use text::Reason;
