//! The state machine.

use plan::Restart;

use crate::{Failure, StopCause};

/// The pause after the first fault; each further one in a row doubles it.
pub const FIRST_PAUSE_MILLISECONDS: u64 = 1_000;
/// No pause is longer.
pub const LONGEST_PAUSE_MILLISECONDS: u64 = 64_000;
/// A guest that ran so long was well: a fault after it is the first of a row.
pub const STEADY_MILLISECONDS: u64 = 600_000;

/// What a partition is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing: its cores wait, its functions are silent, its memory is clear.
    Stopped,
    /// Its memory is being filled and its functions connected.
    Starting,
    /// Its guest runs.
    Running,
    /// Its guest runs, and has been asked to switch itself off.
    Asked,
    /// Its cores are leaving the guest, its functions are being reset, its memory cleared.
    Stopping,
    /// Nothing, and it cannot be started again: something of it did not come back.
    Failed,
}

/// What follows the end of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// The partition stays stopped.
    Stays,
    /// It starts again after a pause of so many milliseconds.
    Restarts(u64),
    /// It stays stopped, for it has been restarted as often as the plan allows.
    GivesUp,
}

/// What an administrator wants of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it runs.
    Start,
    /// That it stops.
    Stop,
    /// That it starts anew.
    Restart,
}

/// What became of an administrator's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is so already, or is to become so.
    Noted,
    /// The guest's cores are to be made to leave.
    Kick,
}

/// Why a partition cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// It has failed: nothing can be asked of it any more.
    Failed,
    /// The machine is sealed: no guest starts any more.
    Sealed,
}

/// When a stopped partition starts, or one that stops once it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    StartAt(u64),
}

/// The life of one partition.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    policy: Restart,
    state: State,
    next: Next,
    /// When a guest that was asked is made to leave.
    patient_until: u64,
    cause: Option<StopCause>,
    failure: Option<Failure>,
    since: u64,
    starts: u64,
    faults_in_a_row: u16,
    is_sealed: bool,
}

impl Lifecycle {
    /// A partition that boot has prepared and is about to start.
    #[must_use]
    pub const fn prepared(policy: Restart) -> Self {
        Self {
            policy,
            state: State::Starting,
            next: Next::Stay,
            patient_until: 0,
            cause: None,
            failure: None,
            since: 0,
            starts: 0,
            faults_in_a_row: 0,
            is_sealed: false,
        }
    }

    /// What the partition is doing.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Why its guest ended the last time.
    #[must_use]
    pub const fn cause(&self) -> Option<StopCause> {
        self.cause
    }

    /// Why it has failed.
    #[must_use]
    pub const fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Whether it does nothing and will not by itself.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        match self.state {
            State::Failed => true,
            State::Stopped => self.next == Next::Stay,
            State::Starting | State::Running | State::Asked | State::Stopping => false,
        }
    }

    /// Whether its guest runs.
    #[must_use]
    pub const fn runs(&self) -> bool {
        matches!(self.state, State::Running | State::Asked)
    }

    /// Whether its guest runs, or nothing happens until somebody asks for it.
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.state == State::Running || self.is_at_rest()
    }

    /// How often it was started.
    #[must_use]
    pub const fn starts(&self) -> u64 {
        self.starts
    }

    /// How long it has been in its state.
    #[must_use]
    pub const fn milliseconds_in_state(&self, now: u64) -> u64 {
        now.saturating_sub(self.since)
    }

    /// When it will start again by itself, if it is stopped and will.
    #[must_use]
    pub const fn restart_at(&self) -> Option<u64> {
        match (self.state, self.next) {
            (State::Stopped, Next::StartAt(at)) => Some(at),
            _ => None,
        }
    }

    const fn enter(&mut self, state: State, now: u64) {
        self.state = state;
        self.since = now;
    }

    /// Its guest runs.
    pub const fn started(&mut self, now: u64) {
        if matches!(self.state, State::Starting) {
            self.enter(State::Running, now);
            self.starts = self.starts.saturating_add(1);
        }
    }

    /// Its guest is ending for this reason. What the administrator has asked for meanwhile
    /// stays what follows.
    pub fn ended(&mut self, cause: StopCause, now: u64) -> Afterwards {
        self.cause = Some(cause);
        if self.state != State::Running {
            if self.state == State::Asked {
                self.enter(State::Stopping, now);
            }
            return match self.next {
                Next::Stay => Afterwards::Stays,
                Next::StartAt(_) => Afterwards::Restarts(0),
            };
        }
        let afterwards = self.decide(cause, now);
        self.enter(State::Stopping, now);
        self.next = match afterwards {
            Afterwards::Restarts(pause) => Next::StartAt(now.saturating_add(pause)),
            Afterwards::Stays | Afterwards::GivesUp => Next::Stay,
        };
        afterwards
    }

    fn decide(&mut self, cause: StopCause, now: u64) -> Afterwards {
        if self.is_sealed {
            return Afterwards::Stays;
        }
        if !cause.is_fault() || self.milliseconds_in_state(now) >= STEADY_MILLISECONDS {
            self.faults_in_a_row = 0;
        }
        match (self.policy, cause) {
            (Restart::OnReboot | Restart::OnFault { .. }, StopCause::Reset) => {
                Afterwards::Restarts(0)
            }
            (Restart::OnFault { limit }, _) if cause.is_fault() => {
                if self.faults_in_a_row >= limit {
                    return Afterwards::GivesUp;
                }
                let pause = pause(self.faults_in_a_row);
                self.faults_in_a_row = self.faults_in_a_row.saturating_add(1);
                Afterwards::Restarts(pause)
            }
            _ => Afterwards::Stays,
        }
    }

    /// It is taken apart: nothing of its guest is left.
    pub fn stopped(&mut self, now: u64) {
        if self.state == State::Stopping {
            self.enter(State::Stopped, now);
        }
    }

    /// Something of it did not come back.
    pub const fn failed(&mut self, failure: Failure, now: u64) {
        self.enter(State::Failed, now);
        self.next = Next::Stay;
        self.failure = Some(failure);
    }

    /// Whether it is to be prepared and started now, because its pause is over.
    pub fn is_due(&mut self, now: u64) -> bool {
        let due = self.restart_at().is_some_and(|at| at <= now);
        if due {
            self.begin(now);
        }
        due
    }

    const fn begin(&mut self, now: u64) {
        self.enter(State::Starting, now);
        self.next = Next::Stay;
    }

    /// Whether it is not started any more.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// From now on it is not started any more, neither by itself nor on request.
    pub const fn seal(&mut self) {
        self.is_sealed = true;
        self.next = Next::Stay;
    }

    /// An administrator has a wish. If a guest has to end for it, it is made to; but if it was
    /// asked to switch itself off, only at the time `until`.
    ///
    /// # Errors
    /// It is not to stop and has failed, or the machine is sealed; then it goes on as it is.
    pub fn request(&mut self, wish: Wish, until: Option<u64>, now: u64) -> Result<Answer, Refused> {
        let next = match wish {
            Wish::Stop => Next::Stay,
            Wish::Restart if self.runs() && self.is_sealed => return Err(Refused::Sealed),
            Wish::Restart if self.runs() => Next::StartAt(0),
            Wish::Start | Wish::Restart => return self.want_start(now),
        };
        self.next = next;
        match (self.state, until) {
            (State::Running | State::Asked, Some(until)) => self.be_patient(until, now),
            (State::Running | State::Asked, None) => return Ok(self.force(now)),
            // What boot or a request has begun is not started.
            (State::Starting, _) => self.enter(State::Stopped, now),
            (State::Stopped | State::Stopping | State::Failed, _) => {}
        }
        Ok(Answer::Noted)
    }

    fn want_start(&mut self, now: u64) -> Result<Answer, Refused> {
        self.faults_in_a_row = 0;
        match self.state {
            State::Failed => return Err(Refused::Failed),
            State::Starting | State::Running => {}
            State::Asked | State::Stopping | State::Stopped if self.is_sealed => {
                return Err(Refused::Sealed);
            }
            State::Asked | State::Stopping => self.next = Next::StartAt(0),
            State::Stopped => self.begin(now),
        }
        Ok(Answer::Noted)
    }

    fn force(&mut self, now: u64) -> Answer {
        self.enter(State::Stopping, now);
        self.cause = Some(StopCause::Administrator);
        Answer::Kick
    }

    /// Asked once more, a guest is given the new time.
    fn be_patient(&mut self, until: u64, now: u64) {
        if self.state == State::Running {
            self.enter(State::Asked, now);
        }
        self.patient_until = until;
    }

    /// Whether its guest has to be made to leave now, because it was asked in vain.
    pub fn lose_patience(&mut self, now: u64) -> Answer {
        if self.state == State::Asked && now >= self.patient_until {
            return self.force(now);
        }
        Answer::Noted
    }
}

/// The pause after one more fault than `before`.
fn pause(before: u16) -> u64 {
    let doubled = 1_u64.checked_shl(before.into()).unwrap_or(u64::MAX);
    FIRST_PAUSE_MILLISECONDS
        .saturating_mul(doubled)
        .min(LONGEST_PAUSE_MILLISECONDS)
}
