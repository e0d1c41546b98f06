//! Carrying requests out.

use lifecycle::{Failure, Refused, Wish};
use mgmt_proto::{
    Answer, Asker, BODY_BYTES, Bytes, Counters, Details, Error, ExitCounts, FunctionStatus,
    Handler, Health, Hello, Items, MAX_DATA, Name, Page, Request, Resources, StopManner, Summary,
};

use super::{About, Peer, Records, wire};
use crate::host::{console, frames, heap};
use crate::partition::custody::Custody;
use crate::partition::pristine::Pristine;
use crate::partition::seal::seal;

/// What the line has lost.
#[derive(Debug, Clone, Copy)]
pub struct Lost {
    /// How often bytes came faster than they were taken.
    pub overruns: u64,
    /// Answers that gave way to the next before they had gone out.
    pub unsent: u64,
}

/// Whoever carries one request out.
pub struct Desk<'a> {
    pub about: About,
    pub peer: Peer,
    pub custodies: &'a mut [Custody],
    pub records: &'a Records,
    /// Where the answer is put together.
    pub scratch: &'a mut [u8; BODY_BYTES],
    pub lost: Lost,
    /// Whether the machine is to be reset once the answer has gone out.
    pub resets: bool,
    pub now: u64,
}

impl Handler for Desk<'_> {
    fn answer(&mut self, request: &Request<'_>) -> Answer<'_> {
        self.carry_out(request).unwrap_or_else(Answer::Error)
    }

    fn asker(&self) -> Asker<'_> {
        self.peer.asker()
    }

    fn refused(&mut self) {
        if let Peer::Guest { partition, .. } = self.peer {
            partition.deny();
        }
    }

    fn overruns(&self) -> u64 {
        self.lost.overruns
    }

    fn unsent(&self) -> u64 {
        self.lost.unsent
    }
}

impl Desk<'_> {
    fn carry_out(&mut self, request: &Request<'_>) -> Result<Answer<'_>, Error> {
        match *request {
            Request::Hello => Ok(Answer::Hello(self.hello())),
            Request::List { from } => Ok(self.list(from)),
            Request::Show { partition } => self.show(partition),
            Request::Counters { from } => Ok(self.counters(from)),
            Request::Start { partition } => self.wish(partition, Wish::Start, StopManner::Forced),
            Request::Stop { partition, manner } => self.wish(partition, Wish::Stop, manner),
            Request::Restart { partition, manner } => self.wish(partition, Wish::Restart, manner),
            Request::ConsoleRead { partition, from } => self.read_console(partition, from),
            Request::ConsoleWrite { partition, bytes } => self.write_console(partition, bytes),
            Request::Events { from } => Ok(Answer::Events(self.records.events(from, self.scratch))),
            Request::Faults { from } => Ok(Answer::Faults(self.records.faults(from, self.scratch))),
            Request::Log { from } => Ok(self.read_log(from)),
            Request::ResetMachine => {
                self.resets = true;
                Ok(Answer::Done)
            }
            Request::Resources => Ok(Answer::Resources(self.resources())),
            Request::ReplaceBegin {
                partition,
                part,
                bytes,
                crc32c,
            } => self.begin_image(partition, (part, bytes, crc32c)),
            Request::ReplaceChunk {
                partition,
                offset,
                bytes,
            } => self.add_to_image(partition, offset, bytes),
            Request::ReplaceCommit { partition } => self.commit_image(partition),
            Request::ReplaceUndo { partition, part } => self.restore_image(partition, part),
            Request::Seal => self.seal(),
            // The protocol's server answers it.
            Request::Channel => Err(Error::Unsupported),
        }
    }

    fn hello(&self) -> Hello<'static> {
        let About {
            plan,
            plan_crc32c,
            back_end,
            ..
        } = self.about;
        Hello {
            build: env!("CARGO_PKG_VERSION"),
            back_end,
            plan_crc32c,
            partitions: self.seen().count() as u64,
            housekeeping: plan.machine.housekeeping,
            uptime_milliseconds: self.now,
        }
    }

    fn resources(&self) -> Resources {
        Resources {
            heap_bytes: heap::used() as u64,
            frame_bytes: frames::used(),
            longest_turn_microseconds: self.records.longest_turn_microseconds(),
        }
    }

    /// The partitions that the asker may see, in the plan's order.
    fn seen(&self) -> impl Iterator<Item = &'static plan::Partition> + use<> {
        let asker = self.peer.asker();
        let all = self.about.plan.partitions.iter();
        all.filter(move |partition| asker.sees(&partition.name))
    }

    /// Those from number `from` on, with the first one's number and the number of all.
    fn seen_from(
        &self,
        from: u64,
    ) -> (
        u64,
        u64,
        impl Iterator<Item = &'static plan::Partition> + use<>,
    ) {
        let end = self.seen().count() as u64;
        let first = from.min(end);
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        (first, end, self.seen().skip(skipped))
    }

    fn list(&mut self, from: u64) -> Answer<'_> {
        let (first, end, listed) = self.seen_from(from);
        let (custodies, now) = (&*self.custodies, self.now);
        let summaries = listed.filter_map(|source| summary(source, custodies, now));
        Answer::Partitions(Page::new(self.scratch, first, end, summaries))
    }

    fn show(&mut self, name: Name) -> Result<Answer<'_>, Error> {
        let mut sources = self.about.plan.partitions.iter();
        let source = sources.find(|source| name == *source.name.as_str());
        let source = source.ok_or(Error::UnknownPartition)?;
        let summary = summary(source, self.custodies, self.now).ok_or(Error::UnknownPartition)?;
        let custody = find(self.custodies, name).ok();
        let (cores, rest) = self.scratch.split_at_mut(BODY_BYTES / 2);
        let (functions, images) = rest.split_at_mut(BODY_BYTES / 4);
        let pristine = custody.map(|custody| &custody.pristine);
        Ok(Answer::Partition(Details {
            summary,
            cores: Items::new(cores, source.cores.iter().copied()),
            functions: Items::new(functions, custody.into_iter().flat_map(functions_of)),
            images: Items::new(images, pristine.into_iter().flat_map(wire::images)),
            largest_image: pristine.and_then(Pristine::largest_image),
        }))
    }

    fn counters(&mut self, from: u64) -> Answer<'_> {
        let (first, end, listed) = self.seen_from(from);
        let custodies = &*self.custodies;
        let counters = listed.filter_map(|source| counters(source, custodies));
        Answer::Counters(Page::new(self.scratch, first, end, counters))
    }

    fn wish(&mut self, name: Name, wish: Wish, manner: StopManner) -> Result<Answer<'_>, Error> {
        let now = self.now;
        let custody = self.custody(name)?;
        let until = match manner {
            StopManner::Asked {
                timeout_milliseconds,
            } => {
                ask(custody)?;
                Some(now.saturating_add(timeout_milliseconds.into()))
            }
            StopManner::Forced => None,
        };
        let noted = custody.request(wish, until, now);
        noted.map_err(wire::refused)?;
        Ok(Answer::Done)
    }

    fn seal(&mut self) -> Result<Answer<'_>, Error> {
        let sealed = seal(self.custodies).map_err(wire::not_sealed)?;
        Ok(Answer::Sealed(wire::sealed(sealed)))
    }

    fn read_console(&mut self, name: Name, from: u64) -> Result<Answer<'_>, Error> {
        let console = find(self.custodies, name)?.partition.console;
        Ok(Answer::Bytes(read(console, from, self.scratch)))
    }

    fn read_log(&mut self, from: u64) -> Answer<'_> {
        Answer::Bytes(read(console::log(), from, self.scratch))
    }

    fn write_console(&mut self, name: Name, bytes: &[u8]) -> Result<Answer<'_>, Error> {
        let custody = self.custody(name)?;
        if !custody.lifecycle().runs() {
            let state = wire::state(custody.lifecycle().state());
            return Err(Error::WrongState { state });
        }
        let bytes = custody.partition.receive(bytes);
        Ok(Answer::Taken {
            bytes: bytes as u64,
        })
    }

    /// The keeper of the partition `name`. One that was refused at boot has none.
    pub fn custody(&mut self, name: Name) -> Result<&mut Custody, Error> {
        let known = self.about.plan.partitions.iter();
        let is_known = { known }.any(|source| name == *source.name.as_str());
        let mut custodies = self.custodies.iter_mut();
        let found = custodies.find(|custody| name == *custody.partition.name.as_str());
        found.ok_or(if is_known {
            wire::refused(Refused::Failed)
        } else {
            Error::UnknownPartition
        })
    }
}

fn find(custodies: &[Custody], name: Name) -> Result<&Custody, Error> {
    let mut custodies = custodies.iter();
    let found = custodies.find(|custody| name == *custody.partition.name.as_str());
    found.ok_or(Error::UnknownPartition)
}

/// A guest that cannot be asked is not stopped: who asks politely does not mean to force it. In a
/// sealed machine its answer would be exits.
fn ask(custody: &Custody) -> Result<(), Error> {
    if custody.lifecycle().is_sealed() {
        return Err(Error::Sealed);
    }
    custody.ask_guest().then_some(()).ok_or(Error::Unsupported)
}

fn read<'a, const SIZE: usize>(
    history: &history::Bytes<SIZE>,
    from: u64,
    scratch: &'a mut [u8; BODY_BYTES],
) -> Bytes<'a> {
    let (room, _) = scratch.split_at_mut(MAX_DATA);
    let window = history.read(from, room);
    Bytes {
        first: window.first,
        end: history.end().max(window.next()),
        bytes: room.get(..window.count).unwrap_or_default(),
    }
}

fn functions_of(custody: &Custody) -> impl Iterator<Item = FunctionStatus> + '_ {
    let failure = custody.lifecycle().failure();
    custody.partition.requesters.iter().map(move |function| {
        let is_bad = matches!(
            failure,
            Some(Failure::FunctionLost(bad) | Failure::FunctionChanged(bad)) if bad == *function
        );
        FunctionStatus {
            function: *function,
            health: if is_bad {
                Health::ResetFailed
            } else {
                Health::Good
            },
        }
    })
}

fn summary(source: &plan::Partition, custodies: &[Custody], now: u64) -> Option<Summary> {
    let name = Name::new(&source.name)?;
    let memory = source.memory.iter();
    let mut summary = Summary {
        name,
        state: mgmt_proto::State::Failed,
        in_state_milliseconds: now,
        last_stop: Some(mgmt_proto::StopCause::Refused),
        restarts: 0,
        cores: u16::try_from(source.cores.len()).unwrap_or(u16::MAX),
        memory_bytes: memory.fold(0, |sum, range| sum.saturating_add(range.bytes())),
    };
    if let Ok(custody) = find(custodies, name) {
        let lifecycle = custody.lifecycle();
        let restarts = lifecycle.starts().saturating_sub(1);
        summary.state = wire::state(lifecycle.state());
        summary.in_state_milliseconds = lifecycle.milliseconds_in_state(now);
        summary.last_stop = wire::last_stop(custody);
        summary.restarts = u32::try_from(restarts).unwrap_or(u32::MAX);
    }
    Some(summary)
}

fn counters(source: &plan::Partition, custodies: &[Custody]) -> Option<Counters> {
    let name = Name::new(&source.name)?;
    let mut counters = Counters {
        name,
        exits: ExitCounts::default(),
        denied: 0,
        faults: 0,
        console_dropped_bytes: 0,
    };
    if let Ok(Custody { partition, .. }) = find(custodies, name) {
        use core::sync::atomic::Ordering::Relaxed;
        counters.exits = ExitCounts::new(|reason| partition.exits(reason));
        counters.denied = partition.denied.load(Relaxed);
        counters.faults = partition.faults.load(Relaxed);
        counters.console_dropped_bytes = partition.console_lost.load(Relaxed);
    }
    Some(counters)
}
