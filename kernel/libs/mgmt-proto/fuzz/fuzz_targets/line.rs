//! Any bytes, as a line's and as a message's: nothing panics, and the next good request is
//! answered.
//!
//! `cargo install cargo-fuzz`, then in `kernel/libs/mgmt-proto`
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run line`. It goes on until it finds something or is stopped.

#![no_main]
#![forbid(unsafe_code)]

use libfuzzer_sys::fuzz_target;
use mgmt_proto::frame::{Envelope, encode};
use mgmt_proto::{Answer, Asker, Direction, FRAME_BYTES, Handler, Request, Server};

const SESSION: u32 = 1;

struct Quiet;

impl Handler for Quiet {
    fn answer(&mut self, _: &Request<'_>) -> Answer<'_> {
        Answer::Done
    }

    fn asker(&self) -> Asker<'_> {
        Asker::Administrator
    }
}

fuzz_target!(|bytes: &[u8]| {
    as_message(bytes);
    as_line(bytes);
    // Behind a CRC that is right, where mutation alone does not come.
    if let Some(framed) = with_crc(bytes) {
        as_line(&framed);
    }
});

fn as_message(body: &[u8]) {
    if let Ok(request) = Request::decode(body) {
        let mut again = [0; FRAME_BYTES];
        assert!(encode(envelope(Direction::Request), &request, &mut again).is_ok());
    }
    if let Ok(answer) = Answer::decode(body) {
        // Looks at every record.
        let _ = format!("{answer:?}");
    }
}

fn as_line(bytes: &[u8]) {
    let mut server = Server::new(SESSION);
    let mut out = [0; FRAME_BYTES];
    for byte in bytes {
        let _ = server.push(*byte, &mut Quiet, &mut out);
    }
    let mut next = [0; FRAME_BYTES];
    let next = encode(envelope(Direction::Request), &Request::Channel, &mut next);
    let answers = next.into_iter().flatten().filter(|byte| {
        let answer = server.push(**byte, &mut Quiet, &mut out);
        answer.is_some()
    });
    assert_eq!(answers.count(), 1);
}

/// The bytes as a message in a frame, as far as they fit in one.
fn with_crc(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = [0; FRAME_BYTES];
    let message = Raw(bytes);
    let frame = encode(envelope(Direction::Request), &message, &mut out);
    frame.ok().map(<[u8]>::to_vec)
}

fn envelope(direction: Direction) -> Envelope {
    Envelope {
        direction,
        id: 7,
        session: SESSION,
    }
}

/// Bytes as they are, without a length before them.
struct Raw<'a>(&'a [u8]);

impl serde::Serialize for Raw<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(self.0.len())?;
        for byte in self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}
