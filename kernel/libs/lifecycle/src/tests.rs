extern crate std;
use std::vec;
use std::vec::Vec;

use addr::RequesterId;
use proptest::prelude::*;

use super::*;
use plan::Restart;

const FAULT: StopCause = StopCause::TripleFault;

impl Lifecycle {
    fn request_start(&mut self, now: u64) -> Result<Answer, Refused> {
        self.request(Wish::Start, None, now)
    }

    fn request_stop(&mut self, now: u64) -> Answer {
        self.request(Wish::Stop, None, now).unwrap()
    }

    fn request_restart(&mut self, now: u64) -> Result<Answer, Refused> {
        self.request(Wish::Restart, None, now)
    }

    fn request_polite_stop(&mut self, until: u64, now: u64) {
        let answer = self.request(Wish::Stop, Some(until), now);
        assert_eq!(answer, Ok(Answer::Noted));
    }

    fn request_polite_restart(&mut self, until: u64, now: u64) -> Result<(), Refused> {
        let answer = self.request(Wish::Restart, Some(until), now)?;
        assert_eq!(answer, Answer::Noted);
        Ok(())
    }
}

/// A partition whose guest runs since `now`.
fn running(policy: Restart, now: u64) -> Lifecycle {
    let mut life = Lifecycle::prepared(policy);
    life.started(now);
    life
}

/// Lets the guest end, and the partition be taken apart.
fn end(life: &mut Lifecycle, cause: StopCause, now: u64) -> Afterwards {
    let afterwards = life.ended(cause, now);
    assert_eq!(life.state(), State::Stopping);
    life.stopped(now);
    afterwards
}

#[test]
fn what_follows_an_end_is_the_plans_to_say() {
    let limit = Restart::OnFault { limit: 1 };
    let cases = [
        (Restart::Never, StopCause::Reset, Afterwards::Stays),
        (Restart::OnReboot, StopCause::Reset, Afterwards::Restarts(0)),
        (Restart::OnReboot, FAULT, Afterwards::Stays),
        (limit, StopCause::Reset, Afterwards::Restarts(0)),
        (limit, FAULT, Afterwards::Restarts(1_000)),
        (limit, StopCause::PowerOff, Afterwards::Stays),
    ];
    for (policy, cause, expected) in cases {
        let mut life = running(policy, 5);
        assert_eq!(end(&mut life, cause, 7), expected, "{policy:?} {cause}");
        assert_eq!(life.cause(), Some(cause));
        let restarts = expected != Afterwards::Stays;
        assert_eq!(life.is_at_rest(), !restarts);
        assert_eq!(life.is_due(7 + 1_000), restarts);
        assert_eq!(life.state() == State::Starting, restarts);
    }
}

#[test]
fn the_time_in_a_state_begins_with_it() {
    let mut life = running(Restart::OnReboot, 5);
    assert_eq!(life.milliseconds_in_state(12), 7);
    life.request_start(12).unwrap();
    assert_eq!(life.milliseconds_in_state(13), 8, "it has run before");
    life.request_stop(20);
    life.ended(StopCause::Administrator, 21);
    assert_eq!(life.milliseconds_in_state(23), 3);
    life.stopped(30);
    assert_eq!(life.milliseconds_in_state(30), 0);
}

#[test]
fn only_faults_are_faults() {
    let faults = [
        StopCause::TripleFault,
        StopCause::EntryFailure(1, "why"),
        StopCause::UnknownExit(2, "name"),
        StopCause::MachineCheck,
        StopCause::DeliveryFault,
        StopCause::ExecutesNothing(3),
        StopCause::DeniedPolicy,
    ];
    assert!(faults.into_iter().all(StopCause::is_fault));
    let wishes = [
        StopCause::PowerOff,
        StopCause::Reset,
        StopCause::Administrator,
    ];
    assert!(!wishes.into_iter().any(StopCause::is_fault));
}

#[test]
fn pauses_double_up_to_the_longest_and_the_row_ends() {
    let mut life = running(Restart::OnFault { limit: 9 }, 0);
    let mut now = 0;
    let mut pauses = Vec::new();
    while let Afterwards::Restarts(pause) = end(&mut life, FAULT, now) {
        pauses.push(pause / 1_000);
        assert!(!life.is_due(now + pause - 1));
        now += pause;
        assert!(life.is_due(now));
        life.started(now);
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(life.starts(), 10);
    assert!(!life.is_due(u64::MAX));
}

#[test]
fn a_steady_life_or_a_reboot_begins_a_new_row() {
    let policy = Restart::OnFault { limit: 1 };
    for steady in [true, false] {
        let mut life = running(policy, 0);
        assert_eq!(end(&mut life, FAULT, 10), Afterwards::Restarts(1_000));
        assert!(life.is_due(2_000));
        life.started(2_000);
        let mut now = 2_000 + STEADY_MILLISECONDS;
        if !steady {
            now = 3_000;
            assert_eq!(
                end(&mut life, StopCause::Reset, now),
                Afterwards::Restarts(0)
            );
            assert!(life.is_due(now));
            life.started(now);
        }
        assert_eq!(end(&mut life, FAULT, now), Afterwards::Restarts(1_000));
        assert!(life.is_due(now + 1_000));
        life.started(now + 1_000);
        assert_eq!(end(&mut life, FAULT, now + 1_001), Afterwards::GivesUp);
    }
}

#[test]
fn requests_do_what_they_say_in_every_state() {
    let now = 1;
    let mut life = running(Restart::OnReboot, 0);
    assert_eq!(life.request_start(now), Ok(Answer::Noted));
    assert_eq!(life.request_stop(now), Answer::Kick);
    assert_eq!(life.request_stop(now), Answer::Noted);
    assert_eq!(life.ended(StopCause::Administrator, 1), Afterwards::Stays);
    life.stopped(now);
    assert!(!life.is_due(u64::MAX));
    assert_eq!(life.request_restart(now), Ok(Answer::Noted));
    assert_eq!(life.request_stop(now), Answer::Noted);
    assert_eq!(life.state(), State::Stopped);
    assert_eq!(life.request_start(now), Ok(Answer::Noted));
    life.started(2);
    assert_eq!(life.request_restart(now), Ok(Answer::Kick));
    // The guest was faster: what the administrator wants still follows.
    assert_eq!(life.ended(StopCause::PowerOff, 3), Afterwards::Restarts(0));
    life.stopped(now);
    assert!(life.is_due(3));
}

#[test]
fn a_start_that_is_asked_for_while_it_stops_follows() {
    let now = 1;
    let mut life = running(Restart::Never, 0);
    life.request_stop(now);
    assert_eq!(life.request_start(now), Ok(Answer::Noted));
    life.ended(StopCause::Administrator, now);
    assert!(!life.is_due(now), "it is not taken apart yet");
    life.stopped(now);
    assert_eq!(life.restart_at(), Some(0));
    assert!(life.is_due(now));
}

#[test]
fn a_stop_ends_the_pause_before_a_restart() {
    let now = 1;
    let mut life = running(Restart::OnFault { limit: 3 }, 0);
    end(&mut life, FAULT, 1);
    assert_eq!(life.request_stop(now), Answer::Noted);
    assert!(!life.is_due(u64::MAX));
}

#[test]
fn a_guest_that_is_asked_ends_by_itself_or_is_made_to() {
    let mut life = running(Restart::OnReboot, 0);
    life.request_polite_stop(100, 10);
    assert_eq!((life.state(), life.runs()), (State::Asked, true));
    assert_eq!(life.lose_patience(99), Answer::Noted);
    // What follows is the administrator's wish, however the guest ends.
    assert_eq!(end(&mut life, StopCause::Reset, 50), Afterwards::Stays);
    assert_eq!(life.lose_patience(100), Answer::Noted);
    assert!(!life.is_due(u64::MAX));
    life.request_start(200).unwrap();
    life.started(200);
    life.request_polite_stop(300, 210);
    assert_eq!(life.lose_patience(300), Answer::Kick);
    assert_eq!(life.state(), State::Stopping);
    assert_eq!(life.cause(), Some(StopCause::Administrator));
    assert_eq!(life.lose_patience(301), Answer::Noted);
}

#[test]
fn a_guest_that_is_asked_to_make_room_for_the_next_is_followed_by_it() {
    let mut life = running(Restart::Never, 0);
    life.request_polite_restart(100, 1).unwrap();
    assert_eq!(
        end(&mut life, StopCause::PowerOff, 2),
        Afterwards::Restarts(0)
    );
    assert!(life.is_due(2));
    life.started(2);
    // Asked to stop, and then wanted all the same; asked again, it gets the new time.
    life.request_polite_stop(10, 3);
    life.request_start(4).unwrap();
    life.request_polite_restart(20, 5).unwrap();
    assert_eq!(life.milliseconds_in_state(6), 3);
    assert_eq!(life.lose_patience(19), Answer::Noted);
    assert_eq!(life.lose_patience(20), Answer::Kick);
    life.ended(StopCause::Administrator, 20);
    life.stopped(21);
    assert!(life.is_due(21));
    // Nobody is there to be asked.
    life.request_polite_stop(u64::MAX, 22);
    assert_eq!(life.state(), State::Stopped);
    life.request_polite_restart(u64::MAX, 23).unwrap();
    assert_eq!(life.state(), State::Starting);
}

#[test]
fn a_guest_that_is_asked_can_be_forced() {
    for restarts in [false, true] {
        let mut life = running(Restart::Never, 0);
        life.request_polite_stop(u64::MAX, 1);
        let answer = if restarts {
            life.request_restart(2)
        } else {
            Ok(life.request_stop(2))
        };
        assert_eq!(answer, Ok(Answer::Kick));
        life.ended(StopCause::Administrator, 3);
        life.stopped(4);
        assert_eq!(life.is_due(5), restarts);
    }
}

#[test]
fn nothing_revives_what_has_failed() {
    let now = 1;
    let mut life = running(Restart::OnReboot, 0);
    life.ended(StopCause::Reset, 1);
    let failure = Failure::FunctionLost(RequesterId(0x0201));
    life.failed(failure, now);
    life.stopped(now);
    life.started(2);
    assert!(!life.is_due(u64::MAX));
    assert_eq!(life.request_start(now), Err(Refused::Failed));
    assert_eq!(life.request_restart(now), Err(Refused::Failed));
    assert_eq!(life.request_polite_restart(9, now), Err(Refused::Failed));
    life.request_polite_stop(9, now);
    assert_eq!(life.request_stop(now), Answer::Noted);
    assert_eq!(life.state(), State::Failed);
    assert_eq!(life.failure(), Some(failure));
}

#[test]
fn a_sealed_machine_starts_nothing_and_stops_what_runs() {
    let mut life = running(Restart::OnFault { limit: 9 }, 0);
    assert!(life.is_steady());
    life.seal();
    assert_eq!(life.request_start(1), Ok(Answer::Noted), "it runs");
    assert_eq!(life.request_restart(1), Err(Refused::Sealed));
    assert_eq!(life.request_polite_restart(9, 1), Err(Refused::Sealed));
    assert_eq!(life.state(), State::Running);
    for cause in [FAULT, StopCause::Reset] {
        let mut life = life.clone();
        assert_eq!(end(&mut life, cause, 2), Afterwards::Stays);
        assert!(!life.is_due(u64::MAX));
    }
    assert_eq!(life.request_stop(3), Answer::Kick);
    assert_eq!(life.request_start(3), Err(Refused::Sealed), "it stops");
    life.ended(StopCause::Administrator, 4);
    assert!(!life.is_steady());
    life.stopped(5);
    assert_eq!(life.request_start(6), Err(Refused::Sealed));
    assert_eq!(life.request_restart(6), Err(Refused::Sealed));
    assert!(life.is_at_rest());
}

#[test]
fn sealing_ends_the_pause_before_a_restart() {
    let mut life = running(Restart::OnFault { limit: 9 }, 0);
    end(&mut life, FAULT, 1);
    assert!(!life.is_steady(), "it starts again");
    life.seal();
    assert!(life.is_steady());
    assert!(!life.is_due(u64::MAX));
}

/// Something that happens to a partition.
#[derive(Debug, Clone, Copy)]
enum Happening {
    Ends(StopCause),
    TakenApart,
    Started,
    Fails,
    AskStart,
    AskStop,
    AskRestart,
    AskPoliteStop,
    AskPoliteRestart,
    Passes(u64),
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        Just(Happening::Ends(StopCause::Reset)),
        Just(Happening::Ends(StopCause::PowerOff)),
        Just(Happening::Ends(FAULT)),
        Just(Happening::TakenApart),
        Just(Happening::Started),
        Just(Happening::AskStart),
        Just(Happening::AskStop),
        Just(Happening::AskRestart),
        Just(Happening::AskPoliteStop),
        Just(Happening::AskPoliteRestart),
        (0_u64..100_000).prop_map(Happening::Passes),
        Just(Happening::Passes(0)),
        Just(Happening::Fails),
    ]
}

/// The steps that there are from one state to another.
fn may_follow(from: State, to: State) -> bool {
    from == to
        || to == State::Failed
        || matches!(
            (from, to),
            (State::Stopped, State::Starting)
                | (State::Starting, State::Running | State::Stopped)
                | (State::Running, State::Asked | State::Stopping)
                | (State::Asked, State::Stopping)
                | (State::Stopping, State::Stopped)
        )
}

proptest! {
    #[test]
    fn every_history_takes_known_steps_and_obeys_a_stop(
        happenings in prop::collection::vec(any_happening(), 0..60),
        limit in 1_u16..4,
    ) {
        let mut life = Lifecycle::prepared(Restart::OnFault { limit });
        let (mut now, mut patient_until, mut stop_is_last) = (0_u64, 0, false);
        for happening in happenings {
            let before = life.state();
            match happening {
                // Only a guest that runs, or is being made to leave, can end.
                Happening::Ends(cause) if life.runs() || before == State::Stopping => {
                    life.ended(cause, now);
                }
                Happening::Ends(_) => {}
                Happening::TakenApart => life.stopped(now),
                Happening::Started => life.started(now),
                Happening::Fails => life.failed(Failure::CoreStays, now),
                Happening::AskStart => stop_is_last &= life.request_start(now).is_err(),
                Happening::AskRestart => stop_is_last &= life.request_restart(now).is_err(),
                Happening::AskStop => {
                    life.request_stop(now);
                    stop_is_last = true;
                }
                Happening::AskPoliteStop => {
                    patient_until = now + 5_000;
                    life.request_polite_stop(patient_until, now);
                    stop_is_last = true;
                }
                Happening::AskPoliteRestart => {
                    patient_until = now + 5_000;
                    stop_is_last &= life.request_polite_restart(patient_until, now).is_err();
                }
                Happening::Passes(milliseconds) => {
                    now += milliseconds;
                    life.is_due(now);
                    life.lose_patience(now);
                    prop_assert!(life.state() != State::Asked || now < patient_until);
                }
            }
            prop_assert!(may_follow(before, life.state()), "{:?} to {:?}", before, life.state());
            let runs = matches!(life.state(), State::Starting | State::Running);
            prop_assert!(!(stop_is_last && runs), "a stop was not obeyed: {happening:?}");
        }
    }

    #[test]
    fn no_row_of_faults_is_longer_than_its_limit(lives in prop::collection::vec(0_u64..5_000, 1..40), limit in 1_u16..8) {
        let mut life = running(Restart::OnFault { limit }, 0);
        let mut now = 0;
        let mut restarts = 0;
        for milliseconds in lives {
            now += milliseconds;
            let Afterwards::Restarts(pause) = end(&mut life, FAULT, now) else { break };
            restarts += 1;
            now += pause;
            prop_assert!(life.is_due(now));
            life.started(now);
        }
        prop_assert!(restarts <= limit);
    }
}
