//! The states in which a virtual CPU begins, whatever runs it.
//!
//! Key types: [`InitialState`], the registers at the first instruction, and [`Segment`] with
//! its [`SegmentAttributes`]. Each back end adds what its hardware wants besides (EFER.SVME,
//! CR0.NE, CR4.VMXE) and hides it from the guest.

#![no_std]
#![forbid(unsafe_code)]

mod segment;
mod state;

pub use segment::{Segment, SegmentAttributes};
pub use state::InitialState;
