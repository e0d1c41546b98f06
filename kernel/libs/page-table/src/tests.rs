//! The algorithm against a memory that remembers, and against a model.

mod behaviour;
mod fake_memory;
mod formats;
mod history;
mod model;

use addr::{HostPhysical, Range};

/// The range of `bytes` bytes from `start` on.
fn host(start: u64, bytes: u64) -> Range<HostPhysical> {
    Range::new(HostPhysical::new(start), bytes).unwrap()
}
