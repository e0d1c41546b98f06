//! The life of a partition as pure logic: its states, why its guest ended, and whether and
//! when it begins again.
//!
//! Key types: [`Lifecycle`], the state machine that the housekeeping core drives;
//! [`StopCause`], why a guest ended; and [`Failure`], why a partition can run no guest any
//! more. How a partition is taken apart and put together again is the kernel's.
//!
//! Times are milliseconds since some moment, the same for all calls, and never go back.

#![no_std]
#![forbid(unsafe_code)]

mod cause;
mod machine;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;

pub use cause::{Failure, StopCause};
pub use machine::{
    Afterwards, Answer, FIRST_PAUSE_MILLISECONDS, LONGEST_PAUSE_MILLISECONDS, Lifecycle, Refused,
    STEADY_MILLISECONDS, State, Wish,
};
