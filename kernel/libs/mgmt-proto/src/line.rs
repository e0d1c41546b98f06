//! What a bad line does to the conversation: nothing but cost a repeat.

extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use crate::testing::request_frame;
use crate::{
    Answer, Asker, Decoder, Dropped, FRAME_BYTES, Handler, ImagePart, Name, Request, Server,
    StopManner,
};

const SESSION: u32 = 0xbeef;
/// Some seconds unoptimised.
const DAMAGED_FRAMES: u32 = 1_000_000;
/// Some seconds unoptimised.
const RANDOM_BYTES: u32 = 100_000_000;

/// Knuth's MMIX generator; the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.next() & 0xff).unwrap()
    }

    /// Does what lines do: flips bits, loses bytes, invents bytes, cuts off, says it twice.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            match self.below(5) {
                _ if bytes.is_empty() => return,
                0 => bytes[at] ^= 1 << self.below(8),
                1 => {
                    bytes.remove(at);
                }
                2 => bytes.insert(at, self.byte()),
                3 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
    }
}

/// Keeps what it is asked.
#[derive(Default)]
struct Keeping(Vec<Vec<u8>>);

impl Handler for Keeping {
    fn answer(&mut self, request: &Request<'_>) -> Answer<'_> {
        self.0.push(postcard::to_allocvec(request).unwrap());
        Answer::Done
    }

    fn asker(&self) -> Asker<'_> {
        Asker::Administrator
    }
}

/// The ids that are answered when `bytes` come.
fn send(server: &mut Server, handler: &mut impl Handler, bytes: &[u8]) -> Vec<u32> {
    let mut out = [0; FRAME_BYTES];
    let mut decoder = Decoder::new();
    let mut ids = Vec::new();
    for byte in bytes {
        if let Some(answer) = server.push(*byte, handler, &mut out) {
            let frames = answer.iter().filter_map(|byte| {
                let frame = decoder.push(*byte)?;
                Some(frame.header.id)
            });
            ids.extend(frames);
        }
    }
    ids
}

fn dropped(bytes: &[u8]) -> Dropped {
    let mut decoder = Decoder::new();
    for byte in bytes {
        assert!(decoder.push(*byte).is_none());
    }
    *decoder.dropped()
}

fn samples() -> Vec<Request<'static>> {
    let partition = Name::new("alpha").unwrap();
    let bytes = b"\0\xff\0 a piece of an image \0";
    vec![
        Request::Hello,
        Request::List { from: 0 },
        Request::Stop {
            partition,
            manner: StopManner::Forced,
        },
        Request::ConsoleWrite { partition, bytes },
        Request::ReplaceBegin {
            partition,
            part: ImagePart::Kernel,
            bytes: 1 << 24,
            crc32c: 0x00ff_00ff,
        },
        Request::ReplaceChunk {
            partition,
            offset: 900,
            bytes: &[0xa5; 300],
        },
        Request::ResetMachine,
    ]
}

#[test]
fn damage_never_becomes_another_request_and_never_hides_the_next_one() {
    let mut random = Random(1);
    let mut server = Server::new(SESSION);
    let samples = samples();
    let mut harmless = 0;
    for number in 0..DAMAGED_FRAMES {
        let sent = &samples[random.below(samples.len())];
        let mut bytes = request_frame(number * 2, SESSION, sent);
        random.damage(&mut bytes);
        bytes.extend(request_frame(
            number * 2 + 1,
            SESSION,
            &Request::Log { from: 1 },
        ));
        let mut handler = Keeping::default();
        let ids = send(&mut server, &mut handler, &bytes);
        assert_eq!(ids.last(), Some(&(number * 2 + 1)), "frame {number}");
        handler.0.pop();
        harmless += handler.0.len();
        let sent = postcard::to_allocvec(sent).unwrap();
        for asked in handler.0 {
            assert_eq!(asked, sent, "frame {number}");
        }
    }
    // Some damage hits only what does not matter, most does not.
    assert!(
        (1..DAMAGED_FRAMES as usize / 4).contains(&harmless),
        "{harmless}"
    );
}

#[test]
fn random_bytes_ask_nothing_and_are_counted() {
    let mut random = Random(2);
    let mut server = Server::new(SESSION);
    let mut handler = Keeping::default();
    let mut out = [0; FRAME_BYTES];
    for _ in 0..RANDOM_BYTES {
        assert!(server.push(random.byte(), &mut handler, &mut out).is_none());
    }
    assert!(handler.0.is_empty());
    let next = request_frame(7, SESSION, &Request::Hello);
    assert_eq!(send(&mut server, &mut handler, &next), [7]);
}

#[test]
fn every_flipped_bit_is_found() {
    let frame = request_frame(7, SESSION, &samples()[3]);
    for bit in 8..(frame.len() - 1) * 8 {
        let mut flipped = frame.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(dropped(&flipped), Dropped::default(), "bit {bit}");
    }
}

#[test]
fn each_kind_of_damage_is_counted_as_what_it_is() {
    let frame = request_frame(7, SESSION, &Request::Hello);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        change(&mut frame);
        dropped(&frame)
    };
    assert_eq!(with(&|frame| frame[4] ^= 1).bad_crc, 1);
    let cut_off = |frame: &mut Vec<u8>| {
        frame.truncate(frame.len() - 2);
        frame.push(0);
    };
    assert_eq!(with(&cut_off).bad_cobs, 1);
    assert_eq!(with(&|frame| frame.truncate(4)), Dropped::default());
    assert_eq!(dropped(b"\x02x\0").bad_crc, 1);
    let long = vec![1; 1100];
    assert_eq!(dropped(&long), Dropped::default());
    assert_eq!(dropped(&[&long[..], &[0]].concat()).too_long, 1);
    assert_eq!(dropped(&[0; 100]), Dropped::default());
}

#[test]
fn a_frame_in_pieces_is_one_frame() {
    let mut server = Server::new(SESSION);
    let mut handler = Keeping::default();
    let frame = request_frame(7, SESSION, &Request::Channel);
    for piece in frame[..frame.len() - 1].chunks(3) {
        assert!(send(&mut server, &mut handler, piece).is_empty());
    }
    assert_eq!(send(&mut server, &mut handler, &[0]), [7]);
}

proptest! {
    #[test]
    fn behind_any_garbage_the_next_frame_is_found(
        garbage in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let mut server = Server::new(SESSION);
        let frame = request_frame(7, SESSION, &Request::Hello);
        let bytes = [&garbage[..], &frame].concat();
        prop_assert_eq!(send(&mut server, &mut Keeping::default(), &bytes), [7]);
    }

    #[test]
    fn any_body_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..64)) {
        // The first byte chooses the kind: all of them should come.
        for kind in 0..20 {
            let body = [&[kind], &body[..]].concat();
            let _ = Request::decode(&body);
            let _ = Answer::decode(&body);
        }
    }
}
