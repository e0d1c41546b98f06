//! Who makes a core look, and when: what its senders and the core itself agree on. The interrupts
//! are the caller's.
//!
//! Key types: [`Rest`], of a core that waits in root mode or runs a guest, and [`Attention`], of
//! one that always comes back to its loop.
//!
//! All orders are sequentially consistent: these are a few accesses an interrupt, and each of the
//! arguments below needs one order that all cores agree on.

#![no_std]
#![forbid(unsafe_code)]

mod attention;
mod rest;

pub use attention::Attention;
pub use rest::{Rest, Signal};
