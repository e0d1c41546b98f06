//! What goes wrong, and what to do about it.

use std::fmt;
use std::io;
use std::path::Path;

use mgmt_proto::{Error, State, VERSION};
use shared_ring::{DEVICE_ID, VENDOR_ID};

use crate::channel::Address;

/// What went wrong.
#[derive(Debug)]
pub enum Problem {
    /// Another program has the line.
    Busy { address: Address },
    /// The line cannot be opened.
    Open { address: Address, error: io::Error },
    /// The line broke.
    Lost { address: Address, error: io::Error },
    /// Nothing came.
    Silent { address: Address },
    /// So many bytes came, no answer among them.
    Noise { address: Address, bytes: u64 },
    /// What was sent came back.
    Echo { address: Address },
    /// The machine speaks another version of the protocol.
    Version { theirs: u8 },
    /// The machine has restarted since it was greeted.
    Restarted,
    /// The machine has no such partition, but these.
    UnknownPartition { name: String, known: Vec<String> },
    /// The plan does not allow it: to control this partition, or anything about the machine.
    NotPermitted { partition: Option<String> },
    /// The machine refuses.
    Refused(Error),
    /// The partition's guest cannot be asked to switch itself off.
    CannotBeAsked { partition: String },
    /// The machine's kernel does not know what may be overwritten.
    CannotBeSealed,
    /// The machine's answer does not fit the question.
    Unexpected,
    /// A partition did not become what it was asked to be.
    Unfinished { what: String },
    /// Something on this side: a file, a terminal.
    Here {
        what: String,
        remedy: Option<String>,
    },
    /// Who was to read the output has gone, and need not be told.
    Unheard,
}

impl Problem {
    /// Something on this side that says itself what to do.
    pub fn here(what: impl Into<String>) -> Self {
        Self::Here {
            what: what.into(),
            remedy: None,
        }
    }

    /// Something on this side, and what to do about it.
    pub fn here_with(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Here {
            what: what.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// The problem's name, for programs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Open { .. } => "cannot-open",
            Self::Lost { .. } => "line-lost",
            Self::Silent { .. } => "no-answer",
            Self::Noise { .. } => "noise",
            Self::Echo { .. } => "echo",
            Self::Version { .. } => "wrong-version",
            Self::Restarted => "machine-restarted",
            Self::UnknownPartition { .. } => "unknown-partition",
            Self::NotPermitted { .. } => "not-permitted",
            Self::Refused(error) => refusal_name(*error),
            Self::CannotBeAsked { .. } => "cannot-be-asked",
            Self::CannotBeSealed => "cannot-be-sealed",
            Self::Unexpected => "unexpected-answer",
            Self::Unfinished { .. } => "unfinished",
            Self::Here { .. } => "local",
            Self::Unheard => "unheard",
        }
    }

    /// Whether the machine was reached and said no.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::UnknownPartition { .. }
                | Self::NotPermitted { .. }
                | Self::Refused(_)
                | Self::CannotBeAsked { .. }
                | Self::CannotBeSealed
                | Self::Unfinished { .. }
        )
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Busy { address } => Some(occupation(address)),
            Self::Open { address, error } => Some(opening(address, error.kind())),
            Self::Lost { .. } => {
                Some("connect again; was the cable, or the emulator, taken away?".into())
            }
            Self::Silent { address } => Some(silence(address)),
            Self::Noise { address, .. } => Some(noise(address)),
            Self::Echo { .. } => Some(
                "this is a loop-back plug or a terminal that echoes: connect the port that the \
                 plan names under `machine.console`"
                    .to_owned(),
            ),
            Self::Version { theirs } => Some(format!(
                "use the `bulkhead` that was built with the machine's Bulkhead; it speaks \
                 version {theirs}"
            )),
            Self::Restarted => Some("look at what runs now with `ctl list`, then repeat".into()),
            Self::UnknownPartition { known, .. } if known.is_empty() => {
                Some("this channel sees no partition".into())
            }
            Self::UnknownPartition { known, .. } => Some(format!("there are {}", known.join(", "))),
            Self::NotPermitted {
                partition: Some(partition),
            } => Some(format!(
                "add \"{partition}\" to `may_control` of this partition in the plan"
            )),
            Self::NotPermitted { partition: None } => {
                Some("ask over the machine's own line, `management` in the plan".into())
            }
            Self::Refused(error) => refusal_remedy(*error).map(str::to_owned),
            Self::CannotBeAsked { .. } => {
                Some("say --force to take its cores at once, or switch it off from inside".into())
            }
            Self::CannotBeSealed => Some("boot a kernel that `cargo xtask build` has made".into()),
            Self::Unexpected => {
                Some("this is a fault of Bulkhead or of this tool: report it".into())
            }
            Self::Unfinished { .. } => Some("`ctl events` and `ctl log` say what happened".into()),
            Self::Here { remedy, .. } => remedy.clone(),
            Self::Unheard => None,
        }
    }
}

/// What to do about a line that another program has.
fn occupation(address: &Address) -> String {
    match address {
        Address::Pci(_) => "end the other `bulkhead`".to_owned(),
        Address::Serial(_) | Address::Tcp(_) | Address::Unix(_) => format!(
            "end the other program, such as a terminal or another `bulkhead`; `fuser -v {address}` \
             names it"
        ),
    }
}

/// What is wrong with an address that cannot be opened.
fn unopened(address: &Address, error: &io::Error) -> String {
    match (address, error.kind()) {
        (Address::Pci(function), io::ErrorKind::NotFound) => {
            let place = function.as_ref().map(|function| format!(" at {function}"));
            format!(
                "no management function ({VENDOR_ID:04x}:{DEVICE_ID:04x}){}",
                place.unwrap_or_default()
            )
        }
        (Address::Pci(Some(function)), io::ErrorKind::InvalidFilename) => {
            format!("{function:?} is no PCI function")
        }
        (Address::Unix(path), io::ErrorKind::InvalidInput) => {
            format!("{} is no socket", path.display())
        }
        _ => format!("cannot open {address}: {error}"),
    }
}

/// What to do about an address that cannot be opened.
fn opening(address: &Address, error: io::ErrorKind) -> String {
    match (address, error) {
        (Address::Serial(path), io::ErrorKind::NotFound) if is_host_and_port(path) => {
            return format!("did you mean tcp:{}?", path.display());
        }
        (Address::Serial(_), io::ErrorKind::NotFound) => {
            "plug the adapter in; `ls /dev/ttyS* /dev/ttyUSB* /dev/ttyACM*` shows what is there"
        }
        (Address::Serial(_), io::ErrorKind::PermissionDenied) => {
            "become a member of the device's group (`dialout` in Debian) and log in anew"
        }
        (Address::Serial(_), _) => {
            "give a serial device, tcp:HOST:PORT, unix:PATH or pci; is this one a serial device?"
        }
        (Address::Tcp(_), io::ErrorKind::ConnectionRefused) => {
            "nothing listens there: start the terminal server or the emulator, or take another port"
        }
        (Address::Tcp(_), _) => "is it HOST:PORT, and can this machine reach the host?",
        (Address::Unix(_), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            "nothing listens there: start the emulator, whose command line names the socket"
        }
        (Address::Unix(_), io::ErrorKind::PermissionDenied) => {
            "become the user who started the emulator"
        }
        (Address::Unix(_), _) => "is this the emulator's socket?",
        (Address::Pci(_), io::ErrorKind::NotFound) => {
            "is this a guest of Bulkhead, and does its plan have `may_see` or `may_control`?"
        }
        (Address::Pci(_), io::ErrorKind::InvalidFilename) => "write `pci` or `pci:00:1f.0`",
        (Address::Pci(_), io::ErrorKind::PermissionDenied) => {
            "become root; where the kernel is locked down (secure boot) not even root may"
        }
        (Address::Pci(_), _) => "is this the channel's function? `--to pci` finds it",
    }
    .to_owned()
}

/// Whether somebody has left out what says that it is a host and a port.
fn is_host_and_port(path: &Path) -> bool {
    let parts = path.to_str().and_then(|text| text.rsplit_once(':'));
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
    })
}

/// What to look at when nothing comes.
fn silence(address: &Address) -> String {
    let line = match address {
        Address::Serial(_) => {
            "does the cable cross the lines (null modem), and does it go to the port that the \
             plan names under `machine.console`?"
        }
        Address::Tcp(_) | Address::Unix(_) => {
            "is another client connected? Emulators and many terminal servers serve one at a time"
        }
        Address::Pci(_) => {
            return "is the housekeeping core alive? The machine's console says".into();
        }
    };
    format!("is the machine on, and does Bulkhead run there with a management channel? {line}")
}

/// What to look at when something comes that is no answer.
fn noise(address: &Address) -> String {
    match address {
        Address::Serial(_) => {
            "is `--baud` what the machine's port is set to, and does Bulkhead run there, not \
             firmware or another system?"
        }
        Address::Tcp(_) | Address::Unix(_) => {
            "does Bulkhead run at the other end, not firmware or another system?"
        }
        Address::Pci(_) => "does another program write to the function's memory?",
    }
    .to_owned()
}

/// The refusal's name, for programs.
const fn refusal_name(error: Error) -> &'static str {
    match error {
        Error::WrongVersion => "wrong-version",
        Error::OtherSession => "machine-restarted",
        Error::Unsupported => "unsupported",
        Error::BadMessage => "bad-message",
        Error::BadArgument => "bad-argument",
        Error::UnknownPartition => "unknown-partition",
        Error::WrongState { .. } => "wrong-state",
        Error::NotPermitted => "not-permitted",
        Error::Busy => "machine-busy",
        Error::NoRoom { .. } => "no-room",
        Error::BadChecksum => "bad-checksum",
        Error::Internal => "internal",
        Error::NoImageRoom => "no-image-room",
        Error::NotBegun => "not-begun",
        Error::ImageRefused { .. } => "image-refused",
        Error::Sealed => "sealed",
    }
}

const fn refusal_remedy(error: Error) -> Option<&'static str> {
    match error {
        Error::Unsupported => Some("this Bulkhead cannot do it; a later one may"),
        Error::WrongState { state } => Some(match state {
            State::Stopped => "start it first",
            State::Starting | State::Stopping => "wait a moment; `ctl list` shows its state",
            State::Running => "stop it first",
            State::Failed => "`ctl show` and `ctl log` say why it failed",
        }),
        Error::Sealed => Some("guests are stopped by --force, and start after the machine's reset"),
        Error::NotPermitted => Some("the plan says who may control the partition"),
        Error::Busy => Some("try again in a moment"),
        Error::NoRoom { .. } => Some(
            "a third of the partition's `room` in the plan is what an image may have; a larger one \
             needs a new bundle and a reset of the machine",
        ),
        Error::NoImageRoom => Some(
            "write `room = \"…\"` under [partition.image] in the plan, three times the size of the \
             largest image; this needs a new bundle and a reset of the machine",
        ),
        Error::NotBegun => {
            Some("has another client begun to send an image meanwhile? Send it again")
        }
        Error::ImageRefused { .. } => {
            Some("the old image is still in use; is this the right file for the partition?")
        }
        Error::BadChecksum => Some("the old image is still in use; send it again"),
        Error::BadMessage | Error::BadArgument | Error::Internal => {
            Some("this is a fault of Bulkhead or of this tool: report it")
        }
        Error::WrongVersion | Error::OtherSession | Error::UnknownPartition => None,
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { address } => {
                write!(formatter, "{address} is in use by another program")
            }
            Self::Open { address, error } => write!(formatter, "{}", unopened(address, error)),
            Self::Lost { address, error } => write!(formatter, "lost {address}: {error}"),
            Self::Silent { address } => write!(formatter, "no answer on {address}"),
            Self::Noise { address, bytes } => write!(
                formatter,
                "no answer on {address}, but {bytes} bytes that are no frames"
            ),
            Self::Echo { address } => write!(formatter, "{address} sends back what it is sent"),
            Self::Version { theirs } => write!(
                formatter,
                "the machine speaks version {theirs} of the protocol, this tool {VERSION}"
            ),
            Self::Restarted => formatter.write_str("the machine has restarted meanwhile"),
            Self::UnknownPartition { name, .. } => {
                write!(formatter, "the machine has no partition {name:?}")
            }
            Self::NotPermitted {
                partition: Some(partition),
            } => write!(
                formatter,
                "the plan does not let this partition control {partition}"
            ),
            Self::NotPermitted { partition: None } => {
                formatter.write_str("the plan lets no partition ask for what is the machine's")
            }
            Self::Refused(error) => write!(formatter, "the machine refuses: {error}"),
            Self::CannotBeAsked { partition } => write!(
                formatter,
                "the guest of {partition} cannot be asked to switch itself off"
            ),
            Self::CannotBeSealed => {
                formatter.write_str("the machine's kernel does not know what may be overwritten")
            }
            Self::Unexpected => {
                formatter.write_str("the machine's answer does not fit the question")
            }
            Self::Unfinished { what } | Self::Here { what, .. } => formatter.write_str(what),
            Self::Unheard => formatter.write_str("nobody reads the output"),
        }
    }
}
