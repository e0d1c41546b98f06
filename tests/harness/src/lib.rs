//! Starts the emulated machine, listens to it and judges what it says.
//!
//! Key types: [`Machine`] (what is to be emulated) on a [`Platform`] (what emulates it),
//! [`Emulator`] (one running QEMU or Bochs with its serial line), [`Message`] (one line of the
//! serial port, understood), [`Record`] (all that a run has said, and the verdict) and
//! [`Runner`] (the cases, side by side, on every platform that can carry them).
//!
//! Every wait has a bound and ends on an event, never on a pause. An emulator never outlives
//! the value that stands for it.
//!
//! Not handled: a look at Bochs' machine from outside, and machines other than the example's.

#![forbid(unsafe_code)]

pub mod archive;
pub mod bench;
pub mod bochs;
pub mod boot_disk;
pub mod bundle;
pub mod channel;
pub mod count;
pub mod emulator;
pub mod images;
pub mod kvm;
pub mod machine;
pub mod message;
pub mod monitor;
pub mod platform;
pub mod preflight;
mod pulse;
pub mod qemu;
pub mod record;
pub mod runner;
pub mod serial;
pub mod table;

pub use bench::Bench;
pub use channel::Channel;
pub use emulator::{Emulator, Software, Stalled};
pub use machine::{Boot, Feature, Iommu, Machine};
pub use message::{Check, Event, Message};
pub use monitor::Monitor;
pub use platform::{Need, Platform};
pub use record::{Record, Summary};
pub use runner::{Case, Runner};
