extern crate std;

use std::vec::Vec;

use crate::testing::request_frame as frame;
use crate::{
    Answer, Bytes, Decoder, FRAME_BYTES, Hello, MAX_DATA, Name, State, StopManner, VERSION,
};

use super::*;

const SESSION: u32 = 0x1234_5678;

/// Counts what it is asked and says as little as it may.
#[derive(Default)]
struct Counting {
    asked: u64,
    text: Vec<u8>,
    /// Who asks, if it is a partition.
    partition: Option<plan::Partition>,
    refused: u64,
}

impl Handler for Counting {
    fn answer(&mut self, request: &Request<'_>) -> Answer<'_> {
        self.asked += 1;
        match request {
            Request::Hello => Answer::Hello(Hello {
                build: "test",
                back_end: "svm",
                plan_crc32c: 1,
                partitions: 0,
                housekeeping: addr::ApicId(0),
                uptime_milliseconds: self.asked,
            }),
            Request::Log { .. } => Answer::Bytes(Bytes {
                first: 0,
                end: 0,
                bytes: &self.text,
            }),
            Request::ConsoleWrite { bytes, .. } => Answer::Taken {
                bytes: bytes.len() as u64,
            },
            Request::Start { .. } if self.asked > 1 => Answer::Error(Error::WrongState {
                state: State::Running,
            }),
            _ => Answer::Done,
        }
    }

    fn asker(&self) -> Asker<'_> {
        let partition = self.partition.as_ref();
        partition.map_or(Asker::Administrator, Asker::Partition)
    }

    fn refused(&mut self) {
        self.refused += 1;
    }

    fn unsent(&self) -> u64 {
        9
    }

    fn overruns(&self) -> u64 {
        7
    }
}

/// A server, what stands behind it, and what a client sees of both.
struct Bench {
    server: Server,
    handler: Counting,
}

impl Bench {
    fn new() -> Self {
        Self {
            server: Server::new(SESSION),
            handler: Counting::default(),
        }
    }

    /// Sends bytes; `judge` sees the answer to the last request in them.
    fn send<T>(&mut self, bytes: &[u8], judge: impl Fn(Header, Answer<'_>) -> T) -> Option<T> {
        let mut out = [0; FRAME_BYTES];
        let mut judged = None;
        for byte in bytes {
            let Some(answer) = self.server.push(*byte, &mut self.handler, &mut out) else {
                continue;
            };
            let mut decoder = Decoder::new();
            for byte in answer {
                if let Some(frame) = decoder.push(*byte) {
                    judged = Some(judge(frame.header, Answer::decode(frame.body).unwrap()));
                }
            }
        }
        judged
    }

    fn ask<T>(
        &mut self,
        id: u32,
        request: &Request<'_>,
        judge: impl Fn(Answer<'_>) -> T,
    ) -> Option<T> {
        let bytes = frame(id, SESSION, request);
        self.send(&bytes, |header, answer| {
            assert_eq!((header.id, header.session), (id, SESSION));
            assert_eq!(header.version, VERSION);
            assert_eq!(header.direction, Some(Direction::Answer));
            judge(answer)
        })
    }

    fn channel(&mut self) -> Channel {
        let counters = self.ask(u32::MAX, &Request::Channel, |answer| match answer {
            Answer::Channel(channel) => channel,
            other => panic!("{other:?}"),
        });
        counters.unwrap()
    }
}

fn alpha() -> Name {
    Name::new("alpha").unwrap()
}

fn is(expected: Answer<'static>) -> impl Fn(Answer<'_>) {
    move |answer| assert_eq!(answer, expected)
}

#[test]
fn who_does_not_know_the_session_learns_it_by_hello() {
    let mut bench = Bench::new();
    let hello = frame(9, 0, &Request::Hello);
    let session = bench.send(&hello, |header, answer| {
        assert!(matches!(answer, Answer::Hello(Hello { build: "test", .. })));
        header.session
    });
    assert_eq!(session, Some(SESSION));
}

#[test]
fn a_session_is_never_0() {
    assert_eq!(Server::new(0).session, 1);
}

#[test]
fn a_repeated_request_is_answered_again_and_not_done_again() {
    let mut bench = Bench::new();
    let start = Request::Start { partition: alpha() };
    for _ in 0..3 {
        bench.ask(5, &start, is(Answer::Done)).unwrap();
    }
    assert_eq!(bench.handler.asked, 1);
    assert_eq!(bench.channel().repeated, 2);
    let running = Answer::Error(Error::WrongState {
        state: State::Running,
    });
    bench.ask(6, &start, is(running)).unwrap();
    assert_eq!(bench.handler.asked, 2);
}

#[test]
fn answers_of_several_clients_are_remembered() {
    let mut bench = Bench::new();
    let stop = Request::Stop {
        partition: alpha(),
        manner: StopManner::Forced,
    };
    let clients = u32::try_from(REMEMBERED).unwrap();
    for id in 0..clients {
        bench.ask(id, &stop, is(Answer::Done)).unwrap();
    }
    bench.ask(0, &stop, is(Answer::Done)).unwrap();
    assert_eq!(bench.handler.asked, u64::from(clients));
    bench.ask(clients, &stop, is(Answer::Done)).unwrap();
    bench.ask(0, &stop, is(Answer::Done)).unwrap();
    assert_eq!(bench.handler.asked, u64::from(clients) + 2);
}

#[test]
fn what_changes_nothing_is_asked_anew_each_time() {
    let mut bench = Bench::new();
    let log = Request::Log { from: 0 };
    for _ in 0..3 {
        bench.ask(5, &log, |_| ()).unwrap();
    }
    assert_eq!(bench.handler.asked, 3);
}

#[test]
fn a_request_of_an_earlier_session_is_refused() {
    let mut bench = Bench::new();
    let reset = frame(5, SESSION ^ 1, &Request::ResetMachine);
    let answer = bench.send(&reset, |header, answer| {
        assert_eq!(answer, Answer::Error(Error::OtherSession));
        header.session
    });
    assert_eq!(answer, Some(SESSION));
    assert_eq!(bench.handler.asked, 0);
}

#[test]
fn another_version_is_told_ours() {
    let mut bench = Bench::new();
    let newer = with_payload_changed(&frame(5, SESSION, &Request::Hello), |payload| {
        payload[0] = VERSION + 1;
    });
    let version = bench.send(&newer, |header, answer| {
        assert_eq!(answer, Answer::Error(Error::WrongVersion));
        assert_eq!(header.id, 5);
        header.version
    });
    assert_eq!(version, Some(VERSION));
    assert_eq!(bench.channel().dropped.wrong_version, 1);
}

#[test]
fn an_unknown_kind_of_request_is_not_supported() {
    let mut bench = Bench::new();
    let unknown = with_payload_changed(&frame(5, SESSION, &Request::Hello), |payload| {
        payload[10] = 20;
    });
    bench.send(&unknown, |_, answer| {
        assert_eq!(answer, Answer::Error(Error::Unsupported));
    });
    assert_eq!(bench.handler.asked, 0);
    // The last kind that is known: the number above has to move when one is added.
    let last = frame(6, SESSION, &Request::Seal);
    with_payload_changed(&last, |payload| assert_eq!(payload[10], 19));
}

#[test]
fn an_answer_is_never_answered() {
    let mut bench = Bench::new();
    let answer = with_payload_changed(&frame(5, SESSION, &Request::Hello), |payload| {
        payload[1] = b'!';
    });
    assert!(bench.send(&answer, |_, _| ()).is_none());
    assert_eq!(bench.channel().dropped.bad_message, 1);
}

#[test]
fn too_much_data_is_refused() {
    let mut bench = Bench::new();
    let write = |bytes| Request::ConsoleWrite {
        partition: alpha(),
        bytes,
    };
    let most = [b'x'; MAX_DATA + 1];
    let taken = Answer::Taken {
        bytes: MAX_DATA as u64,
    };
    bench.ask(5, &write(&most[1..]), is(taken)).unwrap();
    let refused = Answer::Error(Error::BadArgument);
    bench.ask(6, &write(&most), is(refused)).unwrap();
}

#[test]
fn an_answer_that_fits_in_no_frame_is_an_internal_error() {
    let mut bench = Bench::new();
    bench.handler.text = std::vec![b'x'; 1001];
    let log = Request::Log { from: 0 };
    bench
        .ask(5, &log, is(Answer::Error(Error::Internal)))
        .unwrap();
}

#[test]
fn the_channel_counts_what_it_saw() {
    let mut bench = Bench::new();
    let list = Request::List { from: 0 };
    bench.ask(5, &list, is(Answer::Done)).unwrap();
    assert!(bench.send(b"\0login: \0", |_, _| ()).is_none());
    let channel = bench.channel();
    assert_eq!(channel.requests, 1);
    assert_eq!((channel.overruns, channel.unsent), (7, 9));
    assert_eq!(channel.dropped.total(), 1);
}

/// The frame with its payload changed and a CRC that fits.
fn with_payload_changed(bytes: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let encoded = &bytes[1..bytes.len() - 1];
    let mut payload = ::cobs::decode_vec(encoded).unwrap();
    payload.truncate(payload.len() - 4);
    change(&mut payload);
    let crc = plan::crc32c(&payload);
    payload.extend_from_slice(&crc.to_le_bytes());
    let mut frame = std::vec![0];
    frame.extend_from_slice(&::cobs::encode_vec(&payload));
    frame.push(0);
    frame
}

#[test]
fn what_the_asker_may_not_is_refused_and_not_asked() {
    let mut bench = Bench::new();
    bench.handler.partition = Some(crate::testing::holder(&["beta"], &["gamma"]));
    let stop = |name: &str| Request::Stop {
        partition: Name::new(name).unwrap(),
        manner: StopManner::Forced,
    };
    let refused = |error| is(Answer::Error(error));
    bench.ask(1, &stop("alpha"), refused(Error::UnknownPartition));
    bench.ask(2, &stop("beta"), refused(Error::NotPermitted));
    bench.ask(3, &Request::ResetMachine, refused(Error::NotPermitted));
    assert_eq!((bench.handler.asked, bench.handler.refused), (0, 3));
    bench.ask(4, &stop("gamma"), is(Answer::Done));
    assert_eq!((bench.handler.asked, bench.handler.refused), (1, 3));
    assert_eq!(bench.channel().requests, 4);
}

#[test]
fn what_was_done_before_is_not_told_to_who_may_not_ask_it() {
    let mut bench = Bench::new();
    let start = Request::Start { partition: alpha() };
    bench.ask(5, &start, is(Answer::Done));
    bench.handler.partition = Some(crate::testing::holder(&["alpha"], &[]));
    bench.ask(5, &start, is(Answer::Error(Error::NotPermitted)));
    assert_eq!(bench.handler.asked, 1);
}
