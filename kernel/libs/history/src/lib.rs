//! The last of a stream, of bytes or of records, read by position.
//!
//! Key types: [`Bytes`], which one writer at a time fills while any number of readers look,
//! none waiting for another, and [`Records`], which has one owner.
//!
//! A position counts from the stream's beginning and never goes back. A reader keeps its own:
//! it goes on behind what it got, and what it missed is the distance from where it wanted to
//! go on. A writer never waits and never drops the newest: it writes over the oldest.

#![no_std]
#![forbid(unsafe_code)]

mod bytes;
mod records;

pub use bytes::{Bytes, Window};
pub use records::Records;
