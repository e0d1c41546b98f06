//! The management channel as a client sees it.
//!
//! [`Address`] says where a machine is, [`Client`] asks it. One request is under way at a
//! time; a lost one is repeated with its id.

mod address;
mod client;
mod line;
mod readings;
mod ring;

pub use address::Address;
pub use client::{Client, Connection};
pub use readings::{Machine, Records, Shown, Text};
