//! Starts the emulated machine, listens to it and judges what it says.
//!
//! Key types: [`Machine`] (what is to be emulated) on a [`Platform`] (what emulates it),
//! [`Emulator`] (one running QEMU with its serial line and its monitor), [`Message`] (one line
//! of the serial port, understood), [`Record`] (all that a run has said, and the verdict) and
//! [`Runner`] (the cases, side by side, reported as `cargo test` does).
//!
//! Every wait has a bound and ends on an event, never on a pause. An emulator never outlives
//! the value that stands for it.
//!
//! Not handled: Bochs and its VMX, and machines other than the example's.

#![forbid(unsafe_code)]

pub mod bench;
pub mod bochs;
pub mod boot_disk;
pub mod bundle;
pub mod emulator;
pub mod images;
pub mod machine;
pub mod message;
pub mod monitor;
pub mod platform;
pub mod preflight;
pub mod qemu;
pub mod record;
pub mod runner;
pub mod serial;

pub use bench::Bench;
pub use emulator::{Emulator, Software};
pub use machine::{Boot, Feature, Iommu, Machine};
pub use message::{Check, Event, Message};
pub use monitor::Monitor;
pub use platform::Platform;
pub use record::{Record, Summary};
pub use runner::{Case, Runner};
