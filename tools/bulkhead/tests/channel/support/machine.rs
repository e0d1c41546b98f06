//! A machine that is none: the server's side of the protocol with partitions made of numbers.
//!
//! What is shared by the tests and by the example `machine`, which plays it on a socket.

use std::time::{Duration, Instant};

use addr::{ApicId, RequesterId};
use image_room::{Announcement, Room};
use mgmt_proto::{
    Answer, Asker, BODY_BYTES, Bytes, Counters, Details, Error, Event, EventKind, ExitCounts,
    Fault, FunctionStatus, Handler, Health, Hello, ImagePart, Items, MAX_DATA, Name, Page, Request,
    Sealed, State, StopCause, StopManner, Summary,
};
use vdev::exit_reason::ExitReason;

#[path = "images.rs"]
mod images;
use images::{check, images_of, refused};

/// How long starting and stopping take.
const CHANGE: Duration = Duration::from_millis(30);
/// The room for a partition's new images: three of a mebibyte.
const ROOM_BYTES: usize = 3 << 20;
/// How much a guest's input queue holds.
const INPUT_ROOM: usize = 2000;

/// A machine.
pub struct Machine {
    pub partitions: Vec<Partition>,
    pub events: Vec<Event>,
    /// The number of the oldest event that there still is.
    pub first_event: u64,
    pub faults: Vec<Fault>,
    pub log: Vec<u8>,
    /// Everything that was asked, each time it was carried out.
    pub asked: Vec<String>,
    /// The partition that asks, if it is no administrator.
    pub asker: Option<plan::Partition>,
    booted: Instant,
    is_sealed: bool,
    buffers: [[u8; BODY_BYTES]; 3],
}

/// A partition.
pub struct Partition {
    pub name: Name,
    pub state: State,
    pub last_stop: Option<StopCause>,
    pub restarts: u32,
    pub cores: Vec<ApicId>,
    pub memory_bytes: u64,
    pub functions: Vec<FunctionStatus>,
    pub exits: Vec<(ExitReason, u64)>,
    pub denied: u64,
    pub console: Vec<u8>,
    /// What the console has lost of its beginning.
    pub console_dropped: usize,
    /// What was typed; the guest echoes it, and reads it if it is awake.
    pub input: Vec<u8>,
    /// The guest reads nothing, and cannot be asked to switch itself off.
    pub asleep: bool,
    /// Where its images are replaced.
    pub room: Option<Room<'static>>,
    /// Its next start fails.
    pub is_broken: bool,
    since: Instant,
    /// What becomes of it, and when.
    next: Vec<(Instant, State, Option<StopCause>)>,
}

impl Partition {
    /// A running partition with these cores.
    pub fn new(name: &str, cores: &[u32]) -> Self {
        Self {
            name: Name::new(name).unwrap(),
            state: State::Running,
            last_stop: None,
            restarts: 0,
            cores: cores.iter().map(|core| ApicId(*core)).collect(),
            memory_bytes: 640 << 20,
            functions: vec![FunctionStatus {
                function: RequesterId(0x201),
                health: Health::Good,
            }],
            exits: vec![(ExitReason::Cpuid, 457), (ExitReason::PortIo, 682)],
            denied: 307,
            console: format!("Welcome to {name}\r\n{name} login: ").into_bytes(),
            console_dropped: 0,
            input: Vec::new(),
            asleep: false,
            room: Some(Room::new(vec![0; ROOM_BYTES].leak())),
            is_broken: false,
            since: Instant::now(),
            next: Vec::new(),
        }
    }

    fn summary(&self) -> Summary {
        let since = self.since.elapsed().as_millis();
        Summary {
            name: self.name,
            state: self.state,
            in_state_milliseconds: u64::try_from(since).unwrap(),
            last_stop: self.last_stop,
            restarts: self.restarts,
            cores: u16::try_from(self.cores.len()).unwrap(),
            memory_bytes: self.memory_bytes,
        }
    }

    fn counters(&self) -> Counters {
        let count = |reason| {
            let found = self.exits.iter().find(|(of, _)| *of == reason);
            found.map_or(0, |(_, count)| *count)
        };
        Counters {
            name: self.name,
            exits: ExitCounts::new(count),
            denied: self.denied,
            faults: 0,
            console_dropped_bytes: self.console_dropped as u64,
        }
    }

    /// Plans its next states, one after another.
    fn plan(&mut self, states: &[(State, Option<StopCause>)]) {
        let mut at = Instant::now();
        self.next.clear();
        for (state, cause) in states {
            self.next.push((at, *state, *cause));
            at += CHANGE;
        }
    }

    fn type_in(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(INPUT_ROOM - self.input.len());
        let bytes = &bytes[..taken];
        if self.asleep {
            self.input.extend(bytes);
        } else {
            self.console.extend(bytes);
        }
        taken
    }
}

impl Machine {
    /// A machine with these partitions.
    pub fn new(partitions: Vec<Partition>) -> Self {
        let mut machine = Self {
            partitions,
            events: Vec::new(),
            first_event: 0,
            faults: Vec::new(),
            log: b"[bulkhead] SVM on 4 of 4 cores\n".to_vec(),
            asked: Vec::new(),
            asker: None,
            booted: Instant::now(),
            is_sealed: false,
            buffers: [[0; BODY_BYTES]; 3],
        };
        let names: Vec<_> = machine.partitions.iter().map(|one| one.name).collect();
        for partition in names {
            machine.happened(EventKind::Entered {
                partition,
                state: State::Running,
                cause: None,
            });
        }
        machine
    }

    /// The machine of the examples: `alpha` with one core, `beta` with two.
    pub fn example() -> Self {
        Self::new(vec![
            Partition::new("alpha", &[1]),
            Partition::new("beta", &[2, 3]),
        ])
    }

    pub fn uptime_milliseconds(&self) -> u64 {
        u64::try_from(self.booted.elapsed().as_millis()).unwrap()
    }

    /// Notes that something has happened.
    pub fn happened(&mut self, kind: EventKind) {
        self.events.push(Event {
            milliseconds: self.uptime_milliseconds(),
            kind,
        });
    }

    /// Does what is due.
    fn advance(&mut self) {
        let now = Instant::now();
        let mut entered = Vec::new();
        for partition in &mut self.partitions {
            while partition.next.first().is_some_and(|(at, ..)| *at <= now) {
                let (_, state, cause) = partition.next.remove(0);
                if state == State::Stopped || state == State::Failed {
                    partition.last_stop = cause;
                }
                partition.state = state;
                partition.since = now;
                entered.push(EventKind::Entered {
                    partition: partition.name,
                    state,
                    cause,
                });
            }
        }
        for kind in entered {
            self.happened(kind);
        }
    }

    fn partition(&mut self, name: Name) -> Result<&mut Partition, Error> {
        let found = self.partitions.iter_mut().find(|one| one.name == name);
        found.ok_or(Error::UnknownPartition)
    }

    fn start(&mut self, name: Name) -> Result<Answer<'static>, Error> {
        let is_sealed = self.is_sealed;
        let partition = self.partition(name)?;
        match partition.state {
            State::Stopped if is_sealed => return Err(Error::Sealed),
            State::Stopped => {}
            State::Running => return Ok(Answer::Done),
            state => return Err(Error::WrongState { state }),
        }
        partition.plan(&[(State::Starting, None), (State::Running, None)]);
        Ok(Answer::Done)
    }

    fn stop(&mut self, name: Name, manner: StopManner) -> Result<Answer<'static>, Error> {
        let partition = self.partition(name)?;
        if partition.state == State::Stopped {
            return Ok(Answer::Done);
        }
        if partition.asleep && manner != StopManner::Forced {
            return Err(Error::Unsupported);
        }
        let cause = match manner {
            StopManner::Asked { .. } => StopCause::PowerOff,
            StopManner::Forced => StopCause::Administrator,
        };
        partition.plan(&[(State::Stopping, None), (State::Stopped, Some(cause))]);
        Ok(Answer::Done)
    }

    fn restart(&mut self, name: Name) -> Result<Answer<'static>, Error> {
        if self.is_sealed {
            return Err(Error::Sealed);
        }
        let partition = self.partition(name)?;
        partition.restarts += 1;
        let end = if partition.is_broken {
            (State::Failed, Some(StopCause::Refused))
        } else {
            (State::Running, None)
        };
        partition.plan(&[
            (State::Stopping, None),
            (State::Stopped, Some(StopCause::Administrator)),
            (State::Starting, None),
            end,
        ]);
        Ok(Answer::Done)
    }

    fn room(&mut self, name: Name) -> Result<&mut Room<'static>, Error> {
        self.partition(name)?
            .room
            .as_mut()
            .ok_or(Error::NoImageRoom)
    }

    fn commit(&mut self, name: Name) -> Result<Answer<'static>, Error> {
        let taken = self.room(name)?.commit(check)?.part;
        self.happened(EventKind::ImageReplaced {
            partition: name,
            part: taken,
        });
        Ok(Answer::Done)
    }

    fn undo(&mut self, name: Name, part: ImagePart) -> Result<Answer<'static>, Error> {
        let room = self.room(name)?;
        room.restore(part, check).map_err(|why| why.0)?;
        self.happened(EventKind::ImageRestored {
            partition: name,
            part,
        });
        Ok(Answer::Done)
    }

    fn change(&mut self, request: &Request<'_>) -> Result<Answer<'static>, Error> {
        match *request {
            Request::Start { partition } => self.start(partition),
            Request::Stop { partition, manner } => self.stop(partition, manner),
            Request::Restart { partition, .. } => self.restart(partition),
            Request::ConsoleWrite { partition, bytes } => {
                Ok(taken_bytes(self.partition(partition)?.type_in(bytes)))
            }
            Request::ReplaceBegin {
                partition,
                part,
                bytes,
                crc32c,
            } => {
                let begun = self.room(partition)?.begin(Announcement {
                    part,
                    bytes,
                    crc32c,
                });
                Ok(Answer::Taken {
                    bytes: begun.map_err(refused)?,
                })
            }
            Request::ReplaceChunk {
                partition,
                offset,
                bytes,
            } => {
                let bytes = self.room(partition)?.add(offset, bytes).map_err(refused)?;
                Ok(Answer::Taken { bytes })
            }
            Request::ReplaceCommit { partition } => self.commit(partition),
            Request::ReplaceUndo { partition, part } => self.undo(partition, part),
            Request::ResetMachine => Ok(Answer::Done),
            Request::Seal => Ok(self.seal()),
            _ => Err(Error::Unsupported),
        }
    }

    fn seal(&mut self) -> Answer<'static> {
        let extent = Sealed {
            overwritten_bytes: 207_501,
            text_bytes: 283_254,
        };
        if !std::mem::replace(&mut self.is_sealed, true) {
            self.happened(EventKind::Sealed(extent));
        }
        Answer::Sealed(extent)
    }

    fn hello(&self) -> Answer<'_> {
        Answer::Hello(Hello {
            build: "0.1.0 (example)",
            back_end: "svm",
            plan_crc32c: 0x0bad_cafe,
            partitions: self.partitions.len() as u64,
            housekeeping: ApicId(0),
            uptime_milliseconds: self.uptime_milliseconds(),
        })
    }

    fn show(&mut self, name: Name) -> Result<Answer<'_>, Error> {
        let found = self.partitions.iter().find(|one| one.name == name);
        let partition = found.ok_or(Error::UnknownPartition)?;
        let [cores_buffer, functions_buffer, images_buffer] = &mut self.buffers;
        let room = partition.room.as_ref();
        Ok(Answer::Partition(Details {
            summary: partition.summary(),
            cores: Items::new(cores_buffer, partition.cores.iter().copied()),
            functions: Items::new(functions_buffer, partition.functions.iter().copied()),
            images: Items::new(images_buffer, images_of(room)),
            largest_image: room.map(Room::limit),
        }))
    }

    fn read(&mut self, request: &Request<'_>) -> Result<Answer<'_>, Error> {
        let count = self.partitions.len() as u64;
        match *request {
            Request::Hello => Ok(self.hello()),
            Request::List { from } => {
                let records = self.partitions.iter().map(Partition::summary);
                let records = records.skip(from as usize);
                let page = Page::new(&mut self.buffers[0], from, count, records);
                Ok(Answer::Partitions(page))
            }
            Request::Counters { from } => {
                let records = self.partitions.iter().map(Partition::counters);
                let records = records.skip(from as usize);
                let page = Page::new(&mut self.buffers[0], from, count, records);
                Ok(Answer::Counters(page))
            }
            Request::Show { partition } => self.show(partition),
            Request::Events { from } => {
                let end = self.first_event + self.events.len() as u64;
                let first = from.clamp(self.first_event, end);
                let skipped = (first - self.first_event) as usize;
                let records = self.events.iter().copied().skip(skipped);
                let page = Page::new(&mut self.buffers[0], first, end, records);
                Ok(Answer::Events(page))
            }
            Request::Faults { from } => {
                let end = self.faults.len() as u64;
                let first = from.min(end);
                let records = self.faults.iter().copied().skip(first as usize);
                let page = Page::new(&mut self.buffers[0], first, end, records);
                Ok(Answer::Faults(page))
            }
            Request::Log { from } => Ok(window(&self.log, 0, from)),
            Request::ConsoleRead { partition, from } => {
                let partition = &*self.partition(partition)?;
                Ok(window(&partition.console, partition.console_dropped, from))
            }
            _ => Err(Error::Unsupported),
        }
    }
}

/// What there is of a stream from a position on; its first `dropped` bytes are gone.
fn window(stream: &[u8], dropped: usize, from: u64) -> Answer<'_> {
    let end = stream.len();
    let first = (from.min(end as u64) as usize).max(dropped);
    let bytes = &stream[first..];
    Answer::Bytes(Bytes {
        first: first as u64,
        end: end as u64,
        bytes: &bytes[..bytes.len().min(MAX_DATA)],
    })
}

fn taken_bytes(bytes: usize) -> Answer<'static> {
    Answer::Taken {
        bytes: bytes as u64,
    }
}

impl Handler for Machine {
    fn answer(&mut self, request: &Request<'_>) -> Answer<'_> {
        self.advance();
        self.asked.push(format!("{request:?}"));
        let changes = request.happens_once()
            || matches!(
                request,
                Request::ReplaceBegin { .. } | Request::ReplaceChunk { .. } | Request::Seal
            );
        let answer = if changes {
            self.change(request)
        } else {
            self.read(request)
        };
        answer.unwrap_or_else(Answer::Error)
    }

    fn asker(&self) -> Asker<'_> {
        let partition = self.asker.as_ref();
        partition.map_or(Asker::Administrator, Asker::Partition)
    }
}
