//! The management channel from outside: a client of Bulkhead's server on the machine's second
//! serial port.
//!
//! Key types: [`Socket`], where the emulator has the port, and [`Channel`], a connection to it.
//! It asks once for each question: what a client does on a line that loses bytes is
//! `bulkhead ctl`'s to do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mgmt_proto::frame::{Envelope, encode};
use mgmt_proto::{Answer, Decoder, Direction, FRAME_BYTES, Frame, FrameBuffer, Request};

/// How long an answer, or the emulator's end of the socket, may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the emulator has the machine's second serial port.
#[derive(Debug)]
pub enum Socket {
    /// It listens at this path.
    Unix(PathBuf),
    /// It connects here when it starts.
    Tcp(TcpListener),
}

impl Socket {
    /// A place where the emulator is to connect.
    pub fn to_be_called() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    /// Connects to it.
    pub fn connect(&self) -> Result<Channel> {
        let line = match self {
            Self::Unix(path) => Line::Unix(retry(|| UnixStream::connect(path))?),
            Self::Tcp(listener) => {
                let (stream, _) = retry(|| listener.accept())?;
                stream.set_nonblocking(false)?;
                Line::Tcp(stream)
            }
        };
        line.set_read_timeout(PAUSE)?;
        Ok(Channel {
            line,
            decoder: Decoder::new(),
            session: 0,
            next_id: 1,
        })
    }

    /// Its path, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Tcp(_) => None,
        }
    }
}

/// The emulator makes its end some time after it has started.
fn retry<T>(mut open: impl FnMut() -> io::Result<T>) -> Result<T> {
    let end = Instant::now().checked_add(ANSWER_LIMIT);
    loop {
        match open() {
            Ok(opened) => return Ok(opened),
            Err(_) if end.is_some_and(|end| Instant::now() < end) => std::thread::sleep(PAUSE),
            Err(error) => return Err(error).context("connecting to the second serial port"),
        }
    }
}

#[derive(Debug)]
enum Line {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Line {
    fn set_read_timeout(&self, limit: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(Some(limit)),
            Self::Tcp(stream) => stream.set_read_timeout(Some(limit)),
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(bytes),
            Self::Tcp(stream) => stream.read(bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.write_all(bytes),
            Self::Tcp(stream) => stream.write_all(bytes),
        }
    }
}

/// An answer that came.
#[derive(Debug)]
pub struct Reply(Vec<u8>);

impl Reply {
    /// What it says.
    pub fn answer(&self) -> Answer<'_> {
        Answer::decode(&self.0).unwrap_or_else(Answer::Error)
    }
}

/// A connection to Bulkhead's server.
#[derive(Debug)]
pub struct Channel {
    line: Line,
    decoder: Decoder,
    session: u32,
    next_id: u32,
}

impl Channel {
    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Reply> {
        if self.session == 0 && *request != Request::Hello {
            self.ask(&Request::Hello)?;
        }
        let id = self.post(request)?;
        self.listen(id)
            .with_context(|| format!("asking {request:?}"))
    }

    /// Asks, and waits until it is done.
    pub fn order(&mut self, request: &Request<'_>) -> Result<()> {
        let reply = self.ask(request)?;
        let answer = reply.answer();
        ensure!(answer == Answer::Done, "{request:?}: {answer:?}");
        Ok(())
    }

    /// Asks without waiting; the answer will have this number.
    pub fn post(&mut self, request: &Request<'_>) -> Result<u32> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let envelope = Envelope {
            direction: Direction::Request,
            id,
            session: self.session,
        };
        let mut buffer: FrameBuffer = [0; FRAME_BYTES];
        let frame = encode(envelope, request, &mut buffer)?;
        self.send(frame)?;
        Ok(id)
    }

    /// Sends any bytes.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.line.write(bytes).context("writing to the channel")
    }

    /// Waits until `text` has come, from something else than Bulkhead's server.
    pub fn listen_for(&mut self, text: &str) -> Result<()> {
        let end = Instant::now().checked_add(ANSWER_LIMIT);
        let (mut said, mut bytes) = (Vec::new(), [0; 256]);
        while end.is_some_and(|end| Instant::now() < end) {
            let count = self.receive(&mut bytes)?;
            said.extend(bytes.iter().take(count));
            if String::from_utf8_lossy(&said).contains(text) {
                return Ok(());
            }
        }
        bail!(
            "no `{text}` in `{}` within {ANSWER_LIMIT:?}",
            String::from_utf8_lossy(&said)
        )
    }

    /// Takes what has come; how many bytes.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<usize> {
        match self.line.read(bytes) {
            Ok(0) => bail!("the channel is closed"),
            Ok(count) => Ok(count),
            Err(error) if is_pause(&error) => Ok(0),
            Err(error) => Err(error).context("reading the channel"),
        }
    }

    fn listen(&mut self, id: u32) -> Result<Reply> {
        let end = Instant::now().checked_add(ANSWER_LIMIT);
        let mut bytes = [0; 256];
        while end.is_some_and(|end| Instant::now() < end) {
            let count = self.receive(&mut bytes)?;
            for byte in bytes.iter().take(count) {
                if let Some(frame) = self.decoder.push(*byte)
                    && let Some(reply) = reply(&frame, id)
                {
                    self.session = frame.header.session;
                    return Ok(reply);
                }
            }
        }
        bail!("no answer within {ANSWER_LIMIT:?}")
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn reply(frame: &Frame<'_>, id: u32) -> Option<Reply> {
    let is_answer = frame.header.direction == Some(Direction::Answer) && frame.header.id == id;
    is_answer.then(|| Reply(frame.body.to_vec()))
}
