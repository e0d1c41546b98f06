//! The plan: which partition owns which cores, memory and PCI functions, and what it
//! starts with.
//!
//! Key types: [`Plan`] and what it is made of, [`Violation`] (a broken [`Rule`] at a
//! [`Place`]) and [`bundle::Bundle`], the one boot module. [`decode`] reads the
//! plan's binary form, and [`fit`] holds it against the rules and the real machine. With the
//! feature `source`, for the host, [`source::load`](crate::source) reads a plan's TOML form,
//! [`check`](crate::check) holds it against the same rules and the machine that it declares,
//! and [`compile`](crate::compile) writes the binary forms. Whether every core, page of RAM
//! and PCI function has one owner is decided in one place, `disjoint`, for both.
//!
//! Nothing here panics on any input. Not handled: what only the hardware knows, such as
//! the requester IDs of virtual functions, ACS, RMRR and shared resets.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "source")]
extern crate std;

pub mod bundle;
#[cfg(any(test, feature = "source"))]
mod check;
mod checksum;
#[cfg(any(test, feature = "source"))]
pub mod compile;
mod disjoint;
mod fit;
mod format;
mod limits;
mod membership;
mod model;
mod place;
mod rights;
mod rooms;
mod rule;
#[cfg(feature = "source")]
pub mod source;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod testing;
mod violation;

#[cfg(any(test, feature = "source"))]
pub use check::check;
pub use checksum::{Checksum, crc32c};
pub use fit::{ActualMachine, Fit, check_images, fit};
pub use format::{DecodeError, FORMAT_VERSION, decode};
pub use limits::{
    MAX_COMMAND_LINE, MAX_FUNCTIONS, MAX_NAME, MAX_PARTITIONS, MAX_RESTARTS, is_partition_name,
    serial_ports_overlap,
};
pub use model::{
    Function, Image, ImageIndex, ImagePart, Iommu, Machine, MachineFunction, Partition, Plan,
    Restart, SerialPort,
};
pub use place::{PartitionPlace, Place};
pub use rights::Right;
pub use rule::Rule;
pub use violation::Violation;
