//! From Bulkhead's words to the protocol's, which outlive them, and back.

use image_room::Refusal;
use lifecycle::{Afterwards, Failure, Refused, State, StopCause};
use mgmt_proto::{Error, ImagePart, ImageStatus, Origin, Reason, Sealed, StopCause as WireCause};

use crate::host::given_up;
use crate::partition::custody::Custody;
use crate::partition::pristine::Pristine;
use crate::partition::replacement::ReplaceError;
use crate::partition::seal::NotSealed;

/// A state. Who has asked a guest to end takes it to be stopping from then on.
pub const fn state(state: State) -> mgmt_proto::State {
    match state {
        State::Stopped => mgmt_proto::State::Stopped,
        State::Starting => mgmt_proto::State::Starting,
        State::Running => mgmt_proto::State::Running,
        State::Asked | State::Stopping => mgmt_proto::State::Stopping,
        State::Failed => mgmt_proto::State::Failed,
    }
}

/// Why a guest ended.
pub const fn cause(cause: StopCause) -> WireCause {
    match cause {
        StopCause::PowerOff => WireCause::PowerOff,
        StopCause::Reset => WireCause::Reset,
        StopCause::Administrator => WireCause::Administrator,
        StopCause::TripleFault => WireCause::TripleFault,
        StopCause::EntryFailure(code, _) => WireCause::EntryFailure { code },
        StopCause::UnknownExit(code, _) => WireCause::UnknownExit { code },
        StopCause::MachineCheck => WireCause::MachineCheck,
        StopCause::DeliveryFault => WireCause::DeliveryFault,
        StopCause::ExecutesNothing(address) => WireCause::ExecutesNothing { address },
        StopCause::DeniedPolicy => WireCause::DeniedPolicy,
    }
}

/// Why a partition failed.
const fn failure(failure: Failure) -> WireCause {
    match failure {
        Failure::CoreStays => WireCause::CoreStays,
        Failure::FunctionLost(function) | Failure::FunctionChanged(function) => {
            WireCause::DeviceReset { function }
        }
        Failure::IommuSilent => WireCause::IommuSilent,
        Failure::ImageRefused => WireCause::ImageRefused,
    }
}

/// Why a partition is not running, or did not the last time.
pub fn last_stop(custody: &Custody) -> Option<WireCause> {
    let lifecycle = custody.lifecycle();
    if let Some(why) = lifecycle.failure() {
        return Some(failure(why));
    }
    let gives_up = custody.afterwards() == Afterwards::GivesUp && lifecycle.is_at_rest();
    if gives_up {
        return Some(WireCause::RestartLimit);
    }
    lifecycle.cause().map(cause)
}

/// What a partition starts with next.
pub fn images(pristine: &Pristine) -> impl Iterator<Item = ImageStatus> + '_ {
    ImagePart::ALL.into_iter().filter_map(|part| {
        let replaced = pristine.replaced(part);
        let image = replaced.or_else(|| pristine.own(part))?;
        Some(ImageStatus {
            part,
            bytes: image.bytes,
            crc32c: image.crc32c,
            origin: if replaced.is_some() {
                Origin::Channel
            } else {
                Origin::Bundle
            },
        })
    })
}

/// Why an image is not replaced.
pub fn refusal(why: ReplaceError) -> Error {
    match why {
        ReplaceError::NoRoom => Error::NoImageRoom,
        ReplaceError::NoRamdisk => Error::ImageRefused {
            why: Reason::new("a bare guest has no initial RAM disk"),
        },
        ReplaceError::Transfer(Refusal::TooLarge { limit }) => Error::NoRoom { bytes: limit },
        ReplaceError::Transfer(Refusal::NotBegun | Refusal::Incomplete) => Error::NotBegun,
        ReplaceError::Transfer(Refusal::Damaged) => Error::BadChecksum,
        ReplaceError::Transfer(Refusal::NoBytes | Refusal::BehindTheEnd) => Error::BadArgument,
        ReplaceError::Image(why) => Error::ImageRefused {
            why: Reason::new(why),
        },
    }
}

/// Why a partition cannot be started.
pub const fn refused(why: Refused) -> Error {
    match why {
        Refused::Failed => Error::WrongState {
            state: mgmt_proto::State::Failed,
        },
        Refused::Sealed => Error::Sealed,
    }
}

/// Why the machine is not sealed.
pub const fn not_sealed(why: NotSealed) -> Error {
    match why {
        NotSealed::Unsteady(unsteady) => Error::WrongState {
            state: state(unsteady),
        },
        NotSealed::CoreStays => Error::Busy,
    }
}

/// How much of the text was overwritten.
pub const fn sealed(sealed: given_up::Sealed) -> Sealed {
    Sealed {
        overwritten_bytes: sealed.overwritten,
        text_bytes: sealed.text,
    }
}
