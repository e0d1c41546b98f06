//! What happened lately, numbered.

use history::Records as History;
use lifecycle::{Failure, State};
use mgmt_proto::{BODY_BYTES, Event, EventKind, Fault, Name, Page};
use plan::ImagePart;

use super::wire;
use crate::cpu::time;
use crate::host::given_up::Sealed;
use crate::partition::Partition;
use crate::partition::custody::Custody;

/// How much is kept of each.
const EVENTS: usize = 64;
const FAULTS: usize = 64;

/// Events and faults, and how long the housekeeping core has been busy in one go.
pub struct Records {
    events: History<Event, EVENTS>,
    faults: History<Fault, FAULTS>,
    longest_turn_ticks: u64,
}

impl Records {
    /// Nothing has happened yet.
    pub const fn new() -> Self {
        Self {
            events: History::new(),
            faults: History::new(),
            longest_turn_ticks: 0,
        }
    }

    /// The housekeeping core's loop has gone round once, in so many of the time stamp
    /// counter's ticks.
    pub const fn note_turn(&mut self, ticks: u64) {
        if ticks > self.longest_turn_ticks {
            self.longest_turn_ticks = ticks;
        }
    }

    /// The longest time that the loop took to go round once.
    pub fn longest_turn_microseconds(&self) -> u64 {
        time::microseconds(self.longest_turn_ticks)
    }

    /// A partition has come into the state in which it is now.
    pub fn note_state(&mut self, custody: &Custody, now: u64) {
        let Some(partition) = Name::new(&custody.partition.name) else {
            return;
        };
        let lifecycle = custody.lifecycle();
        let state = lifecycle.state();
        let cause = match state {
            State::Starting | State::Running | State::Asked => None,
            State::Stopping => lifecycle.cause().map(wire::cause),
            State::Stopped | State::Failed => wire::last_stop(custody),
        };
        self.note(
            now,
            EventKind::Entered {
                partition,
                state: wire::state(state),
                cause,
            },
        );
        if let Some(at) = lifecycle.restart_at() {
            let after_milliseconds = at.saturating_sub(now);
            self.note(
                now,
                EventKind::RestartPlanned {
                    partition,
                    after_milliseconds,
                },
            );
        }
        if let (
            State::Failed,
            Some(Failure::FunctionLost(function) | Failure::FunctionChanged(function)),
        ) = (state, lifecycle.failure())
        {
            self.note(
                now,
                EventKind::DeviceLost {
                    partition,
                    function,
                },
            );
        }
    }

    /// An image of a partition was replaced, or is the bundle's again.
    pub fn note_image(&mut self, custody: &Custody, part: ImagePart, now: u64) {
        let Some(partition) = Name::new(&custody.partition.name) else {
            return;
        };
        let is_replaced = custody.pristine.replaced(part).is_some();
        let kind = if is_replaced {
            EventKind::ImageReplaced { partition, part }
        } else {
            EventKind::ImageRestored { partition, part }
        };
        self.note(now, kind);
    }

    /// The machine was sealed.
    pub fn note_sealed(&mut self, sealed: Sealed, now: u64) {
        self.note(now, EventKind::Sealed(wire::sealed(sealed)));
    }

    fn note(&mut self, milliseconds: u64, kind: EventKind) {
        self.events.push(Event { milliseconds, kind });
    }

    /// The IOMMU has refused something to a function of `owner`, or of nobody.
    pub fn note_fault(&mut self, owner: Option<&Partition>, fault: &vtd::FaultRecord, now: u64) {
        self.faults.push(Fault {
            milliseconds: now,
            partition: owner.and_then(|owner| Name::new(&owner.name)),
            requester: fault.requester,
            reason: fault.reason.0,
            address: fault.address,
            interrupt_index: fault.interrupt_index,
        });
    }

    /// The events from number `from` on, as many as find room.
    pub fn events<'a>(&self, from: u64, room: &'a mut [u8; BODY_BYTES]) -> Page<'a, Event> {
        page(&self.events, from, room)
    }

    /// The faults from number `from` on, as many as find room.
    pub fn faults<'a>(&self, from: u64, room: &'a mut [u8; BODY_BYTES]) -> Page<'a, Fault> {
        page(&self.faults, from, room)
    }
}

fn page<'a, T: Copy + serde::Serialize, const SIZE: usize>(
    history: &History<T, SIZE>,
    from: u64,
    room: &'a mut [u8; BODY_BYTES],
) -> Page<'a, T> {
    let first = history.first_from(from);
    Page::new(room, first, history.end(), history.from(from).copied())
}
