//! Requests and their answers, over a line that may lose either.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::time::{Duration, Instant};

use mgmt_proto::frame::{Envelope, encode};
use mgmt_proto::{
    Answer, Decoder, Direction, Error, FRAME_BYTES, Frame, FrameBuffer, Request, VERSION,
};

use super::Address;
use super::line::Line;
use crate::problem::Problem;

/// How often a request is sent before its client gives up.
const TRIES: u32 = 5;

/// How a machine is reached.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where its channel is.
    pub address: Address,
    /// The speed of a serial device.
    pub baud: u32,
    /// How long an answer may take, all tries together.
    pub timeout: Duration,
}

/// One end of a channel.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    line: Line,
    decoder: Decoder,
    session: u32,
    next_id: u32,
}

/// An answer that came.
#[derive(Debug)]
pub struct Reply {
    session: u32,
    body: Vec<u8>,
}

impl Reply {
    /// What it says.
    pub fn answer(&self) -> Answer<'_> {
        // It could be read when it came.
        Answer::decode(&self.body).unwrap_or_else(Answer::Error)
    }
}

/// What was heard while waiting for an answer.
#[derive(Debug, Default)]
struct Heard {
    bytes: u64,
    echo: bool,
    unreadable: bool,
}

impl Client {
    /// Opens the line and greets the machine.
    ///
    /// # Errors
    /// The line, or what is at its other end, is not what it should be.
    pub fn connect(connection: &Connection) -> Result<Self, Problem> {
        let mut client = Self {
            line: Line::open(&connection.address, connection.baud)?,
            connection: connection.clone(),
            decoder: Decoder::new(),
            session: 0,
            // Any number: several clients of one line would else have the same ids.
            next_id: u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or(0),
        };
        client.greet()?;
        Ok(client)
    }

    /// Says hello and goes on in the session that the machine is in.
    pub fn greet(&mut self) -> Result<Reply, Problem> {
        let reply = self.ask(&Request::Hello)?;
        self.session = reply.session;
        Ok(reply)
    }

    /// Asks, as often as it takes.
    ///
    /// # Errors
    /// No answer came in time, or one that refuses.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Reply, Problem> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let envelope = Envelope {
            direction: Direction::Request,
            id,
            session: self.session,
        };
        let mut buffer: FrameBuffer = [0; FRAME_BYTES];
        let frame = encode(envelope, request, &mut buffer)
            .map_err(|_| Problem::Refused(Error::BadArgument))?;
        let mut heard = Heard::default();
        for _ in 0..TRIES {
            self.line.send(frame).map_err(|error| self.lost(error))?;
            if let Some(reply) = self.listen(id, &mut heard)? {
                return match reply.answer() {
                    Answer::Error(Error::OtherSession) => Err(Problem::Restarted),
                    Answer::Error(Error::NotPermitted) => Err(Problem::NotPermitted {
                        partition: request.partition().map(|name| name.to_string()),
                    }),
                    Answer::Error(error) => Err(Problem::Refused(error)),
                    _ => Ok(reply),
                };
            }
        }
        Err(self.explain(&heard))
    }

    /// Waits for the answer to request `id`, one try's time.
    fn listen(&mut self, id: u32, heard: &mut Heard) -> Result<Option<Reply>, Problem> {
        let patience = self.connection.timeout.checked_div(TRIES);
        let patience = patience.unwrap_or_default();
        let begin = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            let received = self.line.receive(&mut buffer, left);
            let bytes = received.map_err(|error| self.lost(error))?;
            let mut reply = None;
            for byte in bytes {
                heard.bytes = heard.bytes.saturating_add(1);
                let frame = self.decoder.push(*byte);
                // The whole of what came is looked at: an answer may come twice.
                if let Some(frame) = frame.filter(|_| reply.is_none()) {
                    reply = judge(&frame, id, heard)?;
                }
            }
            if reply.is_some() {
                return Ok(reply);
            }
        }
    }

    fn lost(&self, error: io::Error) -> Problem {
        Problem::Lost {
            address: self.connection.address.clone(),
            error,
        }
    }

    /// Why no answer came.
    fn explain(&self, heard: &Heard) -> Problem {
        let address = self.connection.address.clone();
        match heard {
            Heard { echo: true, .. } => Problem::Echo { address },
            Heard {
                unreadable: true, ..
            } => Problem::Unexpected,
            Heard { bytes: 0, .. } => Problem::Silent { address },
            Heard { bytes, .. } => Problem::Noise {
                address,
                bytes: *bytes,
            },
        }
    }
}

/// What `frame` is to who waits for the answer to request `id`.
fn judge(frame: &Frame<'_>, id: u32, heard: &mut Heard) -> Result<Option<Reply>, Problem> {
    let header = frame.header;
    match header.direction {
        Some(Direction::Answer) => {}
        Some(Direction::Request) => {
            heard.echo = true;
            return Ok(None);
        }
        None => return Ok(None),
    }
    // An answer to somebody else, or to a request that was given up.
    if header.id != id {
        return Ok(None);
    }
    if header.version != VERSION {
        return Err(Problem::Version {
            theirs: header.version,
        });
    }
    if Answer::decode(frame.body).is_err() {
        heard.unreadable = true;
        return Ok(None);
    }
    Ok(Some(Reply {
        session: header.session,
        body: frame.body.to_vec(),
    }))
}
