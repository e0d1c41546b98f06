//! The server's side of the conversation: bytes in, bytes out.

use crate::frame::{Envelope, encode};
use crate::{
    Answer, Asker, Channel, Decoder, Direction, Error, Frame, FrameBuffer, Header, Request, VERSION,
};

/// What carries requests out.
pub trait Handler {
    /// Carries `request` out and answers, in bounded time and without waiting for anything.
    ///
    /// Never called for a request that came again and [`happens
    /// once`](Request::happens_once), for one that the [`asker`](Self::asker) may not ask, and
    /// for [`Request::Channel`].
    fn answer(&mut self, request: &Request<'_>) -> Answer<'_>;

    /// Who is at the other end. An answer shows no partition that it may not see.
    fn asker(&self) -> Asker<'_>;

    /// The asker wanted what it may not.
    fn refused(&mut self) {}

    /// Bytes that the line has lost, as far as it tells.
    fn overruns(&self) -> u64 {
        0
    }

    /// Answers that were not sent whole.
    fn unsent(&self) -> u64 {
        0
    }
}

/// How many answers are remembered. A client repeats only its last request; more clients
/// than one on a line is what the others are for.
const REMEMBERED: usize = 4;

/// One channel's server.
#[derive(Debug)]
pub struct Server {
    session: u32,
    decoder: Decoder,
    remembered: [Option<(u32, Answer<'static>)>; REMEMBERED],
    next: usize,
    requests: u64,
    repeated: u64,
}

/// What is to be done about a frame.
enum Verdict<'a> {
    Ignore,
    Refuse(Error),
    Carry(Request<'a>),
}

impl Server {
    /// A server for one channel. `session` should differ from boot to boot; 0 becomes 1.
    #[must_use]
    pub fn new(session: u32) -> Self {
        Self {
            session: session.max(1),
            decoder: Decoder::new(),
            remembered: [None; REMEMBERED],
            next: 0,
            requests: 0,
            repeated: 0,
        }
    }

    /// Takes the line's next byte. If it completes a request, the answer's frame is put into
    /// `out` and returned, to be sent whole.
    pub fn push<'o>(
        &mut self,
        byte: u8,
        handler: &mut impl Handler,
        out: &'o mut FrameBuffer,
    ) -> Option<&'o [u8]> {
        let frame = self.decoder.push(byte)?;
        let id = frame.header.id;
        let answer = match judge(&frame, self.session) {
            Verdict::Ignore => {
                self.decoder.count_bad_message();
                return None;
            }
            Verdict::Refuse(error) => self.refuse(error),
            Verdict::Carry(request) if let Err(error) = handler.asker().may(&request) => {
                handler.refused();
                Answer::Error(error)
            }
            Verdict::Carry(Request::Channel) => Answer::Channel(self.channel(handler)),
            Verdict::Carry(request) if !request.happens_once() => handler.answer(&request),
            Verdict::Carry(request) => {
                let known = self.remembered.iter().flatten().find(|(of, _)| *of == id);
                if let Some((_, answer)) = known {
                    self.repeated = self.repeated.saturating_add(1);
                    *answer
                } else {
                    let answer = handler.answer(&request);
                    self.remember(id, &answer);
                    answer
                }
            }
        };
        self.requests = self.requests.saturating_add(1);
        Some(seal(id, self.session, &answer, out))
    }

    fn refuse(&mut self, error: Error) -> Answer<'static> {
        match error {
            Error::WrongVersion => self.decoder.count_wrong_version(),
            Error::BadMessage => self.decoder.count_bad_message(),
            _ => {}
        }
        Answer::Error(error)
    }

    fn channel(&self, handler: &impl Handler) -> Channel {
        Channel {
            requests: self.requests,
            repeated: self.repeated,
            dropped: *self.decoder.dropped(),
            overruns: handler.overruns(),
            unsent: handler.unsent(),
        }
    }

    /// Keeps the answer in place of the oldest one.
    fn remember(&mut self, id: u32, answer: &Answer<'_>) {
        if let Some(slot) = self.remembered.get_mut(self.next) {
            *slot = answer.lasting().map(|answer| (id, answer));
        }
        self.next = self.next.saturating_add(1) % REMEMBERED;
    }
}

/// What is to be done about `frame`. An answer is never answered: two servers on one line
/// would talk for ever.
fn judge<'a>(frame: &Frame<'a>, session: u32) -> Verdict<'a> {
    let Header {
        version, direction, ..
    } = frame.header;
    if direction != Some(Direction::Request) {
        return Verdict::Ignore;
    }
    if version != VERSION {
        return Verdict::Refuse(Error::WrongVersion);
    }
    match Request::decode(frame.body) {
        Err(error) => Verdict::Refuse(error),
        Ok(Request::Hello) => Verdict::Carry(Request::Hello),
        Ok(_) if frame.header.session != session => Verdict::Refuse(Error::OtherSession),
        Ok(request) => Verdict::Carry(request),
    }
}

/// The frame of `answer`, or of the error that it does not fit in one.
fn seal<'o>(id: u32, session: u32, answer: &Answer<'_>, out: &'o mut FrameBuffer) -> &'o [u8] {
    let envelope = Envelope {
        direction: Direction::Answer,
        id,
        session,
    };
    let mut length = encode(envelope, answer, out).map(<[u8]>::len);
    if length.is_err() {
        length = encode(envelope, &Answer::Error(Error::Internal), out).map(<[u8]>::len);
    }
    out.get(..length.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;
