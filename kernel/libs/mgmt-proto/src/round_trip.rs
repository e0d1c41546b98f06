//! Every message comes back from the line as it was sent.

extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{BODY_BYTES, Envelope, encode};
use crate::testing::{
    cause, channel, core, counters, data, error, event, fault, function, image, name, request,
    request_frame, state, summary, text,
};
use crate::{
    Answer, Bytes, Decoder, Details, Direction, FRAME_BYTES, Hello, Items, Page, Request, Resources,
};

/// What a decoder makes of `bytes`, which hold one frame.
fn decode_frame<T>(bytes: &[u8], judge: impl Fn(Envelope, &[u8]) -> T) -> T {
    let mut decoder = Decoder::new();
    for byte in bytes {
        if let Some(frame) = decoder.push(*byte) {
            let header = frame.header;
            let envelope = Envelope {
                direction: header.direction.unwrap(),
                id: header.id,
                session: header.session,
            };
            return judge(envelope, frame.body);
        }
    }
    panic!("no frame: {:?}", decoder.dropped());
}

fn check_answer(answer: Answer<'_>) {
    let sent = Envelope {
        direction: Direction::Answer,
        id: 0x8000_0001,
        session: 0xffff_fffe,
    };
    let mut out = [0; FRAME_BYTES];
    let bytes = encode(sent, &answer, &mut out).unwrap();
    decode_frame(bytes, |envelope, body| {
        assert_eq!(envelope, sent);
        assert_eq!(Answer::decode(body), Ok(answer));
    });
}

/// A page of as many `records` as fit; checks that it gives them back.
fn page<'a, T>(buffer: &'a mut [u8], records: &[T]) -> Page<'a, T>
where
    T: Serialize + DeserializeOwned + Copy + PartialEq + std::fmt::Debug,
{
    let page = Page::new(buffer, 3, u64::MAX, records.iter().copied());
    let read: Vec<T> = page.items.iter().collect();
    assert_eq!(read, records[..read.len()]);
    page
}

fn records<S: Strategy>(one: S) -> impl Strategy<Value = Vec<S::Value>> {
    prop::collection::vec(one, 0..70)
}

#[test]
fn data_of_every_length_comes_back() {
    // Where a run of COBS ends with the frame is a corner that random data rarely meets.
    for length in 0..=crate::MAX_DATA {
        check_answer(Answer::Bytes(Bytes {
            first: 1,
            end: 1,
            bytes: &[7; crate::MAX_DATA][..length],
        }));
    }
}

#[test]
fn longest_records_fit_a_frame() {
    // What cannot be sent alone could never be read.
    let mut buffer = [0; BODY_BYTES];
    let longest = "x".repeat(plan::MAX_NAME);
    let name = crate::Name::new(&longest).unwrap();
    let counters = crate::Counters {
        name,
        exits: crate::ExitCounts::new(|_| u64::MAX),
        denied: u64::MAX,
        faults: u64::MAX,
        console_dropped_bytes: u64::MAX,
    };
    assert_eq!(page(&mut buffer, &[counters]).items.iter().count(), 1);
}

#[test]
fn a_partition_with_all_that_a_plan_allows_fits_a_frame() {
    let (mut cores_buffer, mut functions_buffer) = ([0; BODY_BYTES], [0; BODY_BYTES]);
    // The kernel takes no partition with more cores.
    let cores = Items::new(&mut cores_buffer, [addr::ApicId(u32::MAX); 64]);
    let function = crate::FunctionStatus {
        function: addr::RequesterId(u16::MAX),
        health: crate::Health::ResetFailed,
    };
    let functions = Items::new(&mut functions_buffer, [function; plan::MAX_FUNCTIONS]);
    let mut images_buffer = [0; BODY_BYTES];
    let parts = [crate::ImagePart::Kernel, crate::ImagePart::InitialRamdisk];
    let image = |part| crate::ImageStatus {
        part,
        bytes: u64::MAX,
        crc32c: u32::MAX,
        origin: crate::Origin::Channel,
    };
    let images = Items::new(&mut images_buffer, parts.map(image));
    let counts = (cores.iter().count(), functions.iter().count());
    assert_eq!(counts, (64, plan::MAX_FUNCTIONS));
    assert_eq!(images.iter().count(), 2);
    let by = crate::Name::new(&"x".repeat(plan::MAX_NAME)).unwrap();
    check_answer(Answer::Partition(Details {
        summary: crate::Summary {
            name: by,
            state: crate::State::Failed,
            in_state_milliseconds: u64::MAX,
            last_stop: Some(crate::StopCause::Delegate { by }),
            restarts: u32::MAX,
            cores: u16::MAX,
            memory_bytes: u64::MAX,
        },
        cores,
        functions,
        images,
        largest_image: Some(u64::MAX),
    }));
}

#[test]
fn full_pages_and_full_data_fit_a_frame() {
    let mut buffer = [0; 2 * BODY_BYTES];
    let faults = vec![
        crate::Fault {
            milliseconds: u64::MAX,
            partition: None,
            requester: addr::RequesterId(u16::MAX),
            reason: 0,
            address: u64::MAX,
            interrupt_index: None,
        };
        100
    ];
    let page = page(&mut buffer, &faults);
    assert!(page.items.iter().count() > 30);
    check_answer(Answer::Faults(page));
    check_answer(Answer::Bytes(Bytes {
        first: u64::MAX,
        end: u64::MAX,
        bytes: &[0; crate::MAX_DATA],
    }));
}

#[test]
fn records_that_cannot_be_read_are_refused_at_the_door() {
    let mut buffer = [0; 16];
    let items = Items::new(&mut buffer, [crate::Health::Good]);
    let mut bytes = postcard::to_allocvec(&items).unwrap();
    let read: Result<Items<'_, crate::Health>, _> = postcard::from_bytes(&bytes);
    assert_eq!(read.unwrap().iter().count(), 1);
    *bytes.last_mut().unwrap() = 2;
    let read: Result<Items<'_, crate::Health>, _> = postcard::from_bytes(&bytes);
    assert!(read.is_err());
    // Records of no bytes would have no end.
    assert!(postcard::from_bytes::<Items<'_, ()>>(&[1, 0]).is_err());
}

#[test]
fn names_on_the_wire_are_checked() {
    for wrong in ["", "Alpha", "al pha", "alph\u{e4}", &"x".repeat(32)] {
        let bytes = postcard::to_allocvec(wrong).unwrap();
        assert!(
            postcard::from_bytes::<crate::Name>(&bytes).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn bytes_behind_a_message_are_refused() {
    let mut body = postcard::to_allocvec(&Request::Hello).unwrap();
    body.push(0);
    assert_eq!(Request::decode(&body), Err(crate::Error::BadMessage));
    let mut body = postcard::to_allocvec(&Answer::Done).unwrap();
    body.push(0);
    assert_eq!(Answer::decode(&body), Err(crate::Error::BadMessage));
}

proptest! {
    #[test]
    fn requests(sent in request(), id in any::<u32>(), session in any::<u32>()) {
        let bytes = request_frame(id, session, &sent);
        decode_frame(&bytes, |envelope, body| {
            assert_eq!((envelope.id, envelope.session), (id, session));
            assert_eq!(Request::decode(body), Ok(sent));
        });
    }

    #[test]
    fn hello(
        build in text(16),
        back_end in text(3),
        numbers in any::<(u32, u64, u32, u64)>(),
    ) {
        check_answer(Answer::Hello(Hello {
            build: &build,
            back_end: &back_end,
            plan_crc32c: numbers.0,
            partitions: numbers.1,
            housekeeping: addr::ApicId(numbers.2),
            uptime_milliseconds: numbers.3,
        }));
    }

    #[test]
    fn partitions(records in records(summary())) {
        check_answer(Answer::Partitions(page(&mut [0; BODY_BYTES], &records)));
    }

    #[test]
    fn one_partition(
        summary in summary(),
        cores in records(core()),
        functions in prop::collection::vec(function(), 0..32),
        images in prop::collection::vec(image(), 0..3),
        largest_image in any::<Option<u64>>(),
    ) {
        check_answer(Answer::Partition(Details {
            summary,
            cores: page(&mut [0; 400], &cores).items,
            functions: page(&mut [0; 200], &functions).items,
            images: page(&mut [0; 100], &images).items,
            largest_image,
        }));
    }

    #[test]
    fn exits(records in records(counters())) {
        check_answer(Answer::Counters(page(&mut [0; BODY_BYTES], &records)));
    }

    #[test]
    fn bytes(data in data(), first in any::<u64>(), end in any::<u64>()) {
        check_answer(Answer::Bytes(Bytes { first, end, bytes: &data }));
    }

    #[test]
    fn events(records in records(event())) {
        check_answer(Answer::Events(page(&mut [0; BODY_BYTES], &records)));
    }

    #[test]
    fn faults(records in records(fault())) {
        check_answer(Answer::Faults(page(&mut [0; BODY_BYTES], &records)));
    }

    #[test]
    fn short_answers(channel in channel(), bytes in any::<u64>(), error in error()) {
        check_answer(Answer::Channel(channel));
        check_answer(Answer::Done);
        check_answer(Answer::Taken { bytes });
        check_answer(Answer::Sealed(crate::Sealed { overwritten_bytes: bytes, text_bytes: bytes }));
        check_answer(Answer::Error(error));
        check_answer(Answer::Resources(Resources {
            heap_bytes: bytes,
            frame_bytes: !bytes,
            longest_turn_microseconds: bytes >> 1,
        }));
    }

    #[test]
    fn states_and_causes_have_a_text(state in state(), cause in cause(), name in name()) {
        use std::string::ToString;
        prop_assert!(!state.to_string().is_empty() && !cause.to_string().is_empty());
        prop_assert!(!cause.name().contains(' '));
        prop_assert_eq!(crate::Name::new(&name.to_string()), Some(name));
    }
}
