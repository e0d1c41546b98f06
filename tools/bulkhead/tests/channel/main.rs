//! The tool against a machine that is none, over lines that may be bad.

#![expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "whatever is missing fails the test"
)]

mod console;
mod ctl;
mod exporter;
mod lines;
mod replace;
mod ring;
mod support;
mod top;
