//! What the tests share: strategies for every message, and damage done to frames.

extern crate std;

use std::string::String;
use std::vec::Vec;

use addr::{ApicId, RequesterId};
use proptest::prelude::*;
use vdev::exit_reason::ExitReason;

use crate::frame::{Envelope, encode};
use crate::{
    Channel, Counters, Direction, Dropped, Error, Event, EventKind, ExitCounts, FRAME_BYTES, Fault,
    FunctionStatus, Health, ImagePart, ImageStatus, MAX_DATA, Name, Origin, Reason, Request,
    Sealed, State, StopCause, StopManner, Summary,
};

/// The frame of `request`.
pub fn request_frame(id: u32, session: u32, request: &Request<'_>) -> Vec<u8> {
    let mut out = [0; FRAME_BYTES];
    let envelope = Envelope {
        direction: Direction::Request,
        id,
        session,
    };
    encode(envelope, request, &mut out).unwrap().to_vec()
}

/// A partition that may see and control those.
pub fn holder(see: &[&str], control: &[&str]) -> plan::Partition {
    let owned = |names: &[&str]| names.iter().map(|name| String::from(*name)).collect();
    plan::Partition {
        name: "alpha".into(),
        cores: Vec::new(),
        memory: Vec::new(),
        functions: Vec::new(),
        image: plan::Image::Elf {
            kernel: plan::ImageIndex(1),
            command_line: String::new(),
        },
        restart: plan::Restart::Never,
        config_ports: false,
        denied_limit: None,
        image_room: None,
        may_see: owned(see),
        may_control: owned(control),
    }
}

pub fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9-]{1,31}".prop_map(|text| Name::new(&text).unwrap())
}

pub fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=MAX_DATA)
}

pub fn text(most: usize) -> impl Strategy<Value = String> {
    let characters = prop::collection::vec(any::<char>(), 0..=most);
    characters.prop_map(|characters| characters.into_iter().collect())
}

fn manner() -> impl Strategy<Value = StopManner> {
    prop_oneof![
        Just(StopManner::Forced),
        any::<u32>().prop_map(|timeout_milliseconds| StopManner::Asked {
            timeout_milliseconds
        }),
    ]
}

fn part() -> impl Strategy<Value = ImagePart> {
    prop_oneof![Just(ImagePart::Kernel), Just(ImagePart::InitialRamdisk)]
}

/// Data for requests, which borrow it: every byte, in runs with and without zeros.
static DATA: [u8; MAX_DATA] = {
    let mut data = [0; MAX_DATA];
    let mut at = 0;
    while at < MAX_DATA {
        data[at] = (at % 256).to_le_bytes()[0];
        at += 1;
    }
    data
};

/// Every kind of request.
pub fn request() -> impl Strategy<Value = Request<'static>> {
    let data =
        (0..=MAX_DATA, 0..=MAX_DATA).prop_map(|(one, other)| &DATA[one.min(other)..one.max(other)]);
    let about_one = (name(), manner(), any::<u64>()).prop_flat_map(|(partition, manner, from)| {
        prop_oneof![
            Just(Request::Show { partition }),
            Just(Request::Start { partition }),
            Just(Request::Stop { partition, manner }),
            Just(Request::Restart { partition, manner }),
            Just(Request::ConsoleRead { partition, from }),
            Just(Request::ReplaceCommit { partition }),
            Just(Request::ReplaceUndo {
                partition,
                part: ImagePart::Kernel
            }),
        ]
    });
    let with_data = (name(), any::<u64>(), data).prop_flat_map(|(partition, offset, bytes)| {
        prop_oneof![
            Just(Request::ConsoleWrite { partition, bytes }),
            Just(Request::ReplaceChunk {
                partition,
                offset,
                bytes
            }),
        ]
    });
    let begin = (name(), part(), any::<u64>(), any::<u32>()).prop_map(
        |(partition, part, bytes, crc32c)| Request::ReplaceBegin {
            partition,
            part,
            bytes,
            crc32c,
        },
    );
    let of_all = any::<u64>().prop_flat_map(|from| {
        prop_oneof![
            Just(Request::Hello),
            Just(Request::List { from }),
            Just(Request::Counters { from }),
            Just(Request::Events { from }),
            Just(Request::Faults { from }),
            Just(Request::Log { from }),
            Just(Request::Channel),
            Just(Request::ResetMachine),
            Just(Request::Resources),
            Just(Request::Seal),
        ]
    });
    prop_oneof![about_one, with_data, begin, of_all]
}

pub fn state() -> impl Strategy<Value = State> {
    prop::sample::select(&State::ALL[..])
}

pub fn cause() -> impl Strategy<Value = StopCause> {
    (any::<u64>(), any::<u16>(), name()).prop_flat_map(|(number, function, by)| {
        prop::sample::select(std::vec![
            StopCause::PowerOff,
            StopCause::Reset,
            StopCause::TripleFault,
            StopCause::EntryFailure { code: number },
            StopCause::UnknownExit { code: number },
            StopCause::MachineCheck,
            StopCause::DeliveryFault,
            StopCause::ExecutesNothing { address: number },
            StopCause::DeniedPolicy,
            StopCause::Administrator,
            StopCause::Delegate { by },
            StopCause::Refused,
            StopCause::DeviceReset {
                function: RequesterId(function)
            },
            StopCause::RestartLimit,
        ])
    })
}

pub fn summary() -> impl Strategy<Value = Summary> {
    let numbers = any::<(u64, u32, u16, u64)>();
    let cause = prop::option::of(cause());
    (name(), state(), cause, numbers).prop_map(|(name, state, last_stop, numbers)| Summary {
        name,
        state,
        in_state_milliseconds: numbers.0,
        last_stop,
        restarts: numbers.1,
        cores: numbers.2,
        memory_bytes: numbers.3,
    })
}

pub fn function() -> impl Strategy<Value = FunctionStatus> {
    let health = prop_oneof![Just(Health::Good), Just(Health::ResetFailed)];
    (any::<u16>(), health).prop_map(|(function, health)| FunctionStatus {
        function: RequesterId(function),
        health,
    })
}

pub fn image() -> impl Strategy<Value = ImageStatus> {
    let origin = prop_oneof![Just(Origin::Bundle), Just(Origin::Channel)];
    let numbers = any::<(u64, u32)>();
    (part(), numbers, origin).prop_map(|(part, (bytes, crc32c), origin)| ImageStatus {
        part,
        bytes,
        crc32c,
        origin,
    })
}

pub fn core() -> impl Strategy<Value = ApicId> {
    any::<u32>().prop_map(ApicId)
}

pub fn counters() -> impl Strategy<Value = Counters> {
    let exits = prop::collection::vec(any::<u64>(), ExitReason::COUNT);
    (name(), exits, any::<(u64, u64, u64)>()).prop_map(|(name, exits, others)| Counters {
        name,
        exits: ExitCounts::new(|reason| exits[reason.index()]),
        denied: others.0,
        faults: others.1,
        console_dropped_bytes: others.2,
    })
}

pub fn event() -> impl Strategy<Value = Event> {
    let cause = prop::option::of(cause());
    let parts = (name(), state(), cause, part(), any::<(u64, u64, u16)>());
    parts.prop_flat_map(|(partition, state, cause, part, numbers)| {
        let kinds = std::vec![
            EventKind::Entered {
                partition,
                state,
                cause
            },
            EventKind::RestartPlanned {
                partition,
                after_milliseconds: numbers.0
            },
            EventKind::DeviceLost {
                partition,
                function: RequesterId(numbers.2)
            },
            EventKind::ImageReplaced { partition, part },
            EventKind::ImageRestored { partition, part },
            EventKind::Sealed(Sealed {
                overwritten_bytes: numbers.0,
                text_bytes: numbers.1
            }),
        ];
        prop::sample::select(kinds).prop_map(move |kind| Event {
            milliseconds: numbers.1,
            kind,
        })
    })
}

pub fn fault() -> impl Strategy<Value = Fault> {
    let numbers = any::<(u64, u16, u8, u64, Option<u16>)>();
    (prop::option::of(name()), numbers).prop_map(|(partition, numbers)| Fault {
        milliseconds: numbers.0,
        partition,
        requester: RequesterId(numbers.1),
        reason: numbers.2,
        address: numbers.3,
        interrupt_index: numbers.4,
    })
}

pub fn channel() -> impl Strategy<Value = Channel> {
    any::<[u64; 9]>().prop_map(|numbers| Channel {
        requests: numbers[0],
        repeated: numbers[1],
        dropped: Dropped {
            too_long: numbers[2],
            bad_cobs: numbers[3],
            bad_crc: numbers[4],
            wrong_version: numbers[5],
            bad_message: numbers[6],
        },
        overruns: numbers[7],
        unsent: numbers[8],
    })
}

pub fn error() -> impl Strategy<Value = Error> {
    (state(), any::<u64>(), text(40)).prop_flat_map(|(state, bytes, why)| {
        prop::sample::select(std::vec![
            Error::WrongVersion,
            Error::OtherSession,
            Error::Unsupported,
            Error::BadMessage,
            Error::BadArgument,
            Error::UnknownPartition,
            Error::WrongState { state },
            Error::NotPermitted,
            Error::Busy,
            Error::NoRoom { bytes },
            Error::BadChecksum,
            Error::Internal,
            Error::NoImageRoom,
            Error::NotBegun,
            Error::ImageRefused {
                why: Reason::new(why)
            },
            Error::Sealed,
        ])
    })
}
