//! The management channel of a partition with rights: memory shared with Bulkhead, and a client
//! of its server that never waits but by looking again.

use mgmt_proto::frame::{Envelope, encode};
use mgmt_proto::{Answer, Decoder, Direction, FRAME_BYTES, Frame, FrameBuffer, Request};
use shared_ring::{CAPABILITY, DEVICE_ID, End, PAGE_BYTES, Pages, VENDOR_ID};

use crate::memory::Region;
use crate::pci::Function;
use crate::{Failure, Verdict, wait};

/// The function's place on the bus.
const PLACE: u64 = 0x1f << 3;
/// The ID of vendor-specific capabilities.
const VENDOR_SPECIFIC: u8 = 0x09;

/// How often a request is sent, and how many ticks of the time-stamp counter each try has.
const TRIES: u32 = 5;
const TRY_TICKS: u64 = 1_000_000_000;

/// Whether the partition has a channel at all.
#[must_use]
pub fn is_there() -> bool {
    Function::new(PLACE).is_some()
}

/// The two pages.
#[derive(Debug, Clone, Copy)]
pub struct Shared {
    /// The page that this guest writes.
    pub own: Region,
    /// The page that Bulkhead writes.
    pub bulkheads: Region,
}

impl Shared {
    /// Finds the function, checks who it says it is, and maps its BAR.
    ///
    /// # Errors
    /// If it is not there, or is another.
    pub fn find() -> Result<Self, Failure> {
        let failure = |why| Failure::new(format_args!("the channel's function {why}"));
        let function = Function::new(PLACE).ok_or_else(|| failure("is not there"))?;
        let id = u32::from(DEVICE_ID) << 16 | u32::from(VENDOR_ID);
        let at = function.capability(VENDOR_SPECIFIC);
        let at = at.filter(|_| function.read::<u32>(0) == id);
        let at = at.ok_or_else(|| failure("is another"))?;
        // ID and link come first; the link is wherever the list goes on.
        let signature = (2..).zip(CAPABILITY.iter().skip(2));
        for (offset, byte) in signature {
            let found = function.read::<u8>(at.wrapping_add(offset));
            crate::ensure!(found == *byte, "the channel's function has no signature");
        }
        function.enable();
        let page = |number: u64| {
            let offset = number.wrapping_mul(PAGE_BYTES);
            Region::new(function.bar(0).wrapping_add(offset), PAGE_BYTES)
        };
        let unmapped = || failure("cannot be mapped");
        Ok(Self {
            own: page(0).ok_or_else(unmapped)?,
            bulkheads: page(1).ok_or_else(unmapped)?,
        })
    }
}

/// Each access is one move, and x86 keeps them in order.
impl Pages for Shared {
    fn read_number(&self, offset: u64) -> u64 {
        self.bulkheads.read(offset)
    }

    fn read_byte(&self, offset: u64) -> u8 {
        self.bulkheads.read(offset)
    }

    fn write_number(&self, offset: u64, number: u64) {
        self.own.write(offset, number);
    }

    fn write_byte(&self, offset: u64, byte: u8) {
        self.own.write(offset, byte);
    }
}

/// A client.
pub struct Client {
    end: End<Shared>,
    decoder: Decoder,
    session: u32,
    next_id: u32,
}

impl Client {
    /// A client that begins a new conversation in `shared`, whatever was there before.
    ///
    /// # Errors
    /// If Bulkhead does not greet.
    pub fn greet(shared: Shared) -> Result<Self, Failure> {
        let mut client = Self {
            end: End::resume(shared),
            decoder: Decoder::new(),
            session: 0,
            next_id: 1,
        };
        let session = client.exchange(&Request::Hello, |frame| {
            let hello = matches!(Answer::decode(frame.body), Ok(Answer::Hello(_)));
            hello.then_some(frame.header.session)
        })?;
        client.session = session.ok_or(Failure::new(format_args!("that is no greeting")))?;
        Ok(client)
    }

    /// Asks, and judges the answer.
    ///
    /// # Errors
    /// If none comes within some seconds.
    pub fn ask<T>(
        &mut self,
        request: &Request<'_>,
        judge: impl Fn(Answer<'_>) -> T,
    ) -> Result<T, Failure> {
        self.exchange(request, |frame| {
            judge(Answer::decode(frame.body).unwrap_or_else(Answer::Error))
        })
    }

    fn exchange<T>(
        &mut self,
        request: &Request<'_>,
        judge: impl Fn(&Frame<'_>) -> T,
    ) -> Result<T, Failure> {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        for _ in 0..TRIES {
            self.post_as(id, request)?;
            if let Some(judged) = self.listen(id, &judge) {
                return Ok(judged);
            }
        }
        crate::fail!("no answer to {request:?}")
    }

    /// Waits for the answer to request `id`, one try's time.
    fn listen<T>(&mut self, id: u32, judge: impl Fn(&Frame<'_>) -> T) -> Option<T> {
        let mut judged = None;
        wait::busy_for(TRY_TICKS, || {
            while let Some(byte) = self.end.receive() {
                let frame = self.decoder.push(byte);
                if let Some(frame) = frame.filter(|frame| frame.header.id == id) {
                    judged = Some(judge(&frame));
                    return true;
                }
            }
            false
        });
        judged
    }

    /// Asks without waiting for the answer.
    ///
    /// # Errors
    /// If there is no room for the request.
    pub fn post(&mut self, request: &Request<'_>) -> Verdict {
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.post_as(id, request)
    }

    fn post_as(&mut self, id: u32, request: &Request<'_>) -> Verdict {
        let envelope = Envelope {
            direction: Direction::Request,
            id,
            session: self.session,
        };
        let mut buffer: FrameBuffer = [0; FRAME_BYTES];
        let frame = encode(envelope, request, &mut buffer)
            .map_err(|why| Failure::new(format_args!("{request:?} is no message: {why}")))?;
        self.send(frame)
    }

    /// Sends any bytes.
    ///
    /// # Errors
    /// If there is no room for them.
    pub fn send(&mut self, bytes: &[u8]) -> Verdict {
        let mut rest = bytes;
        let is_sent = wait::busy(|| {
            let count = self.end.send(rest);
            rest = rest.get(count..).unwrap_or_default();
            rest.is_empty()
        });
        crate::ensure!(is_sent, "no room for {} bytes", rest.len());
        Ok(())
    }
}
