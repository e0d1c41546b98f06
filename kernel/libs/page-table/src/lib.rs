//! Page tables: one algorithm, with the format, the memory and the allocator as parameters.
//!
//! Key types: [`PageTable`], which maps, unmaps and translates; [`Format`] with [`Host`]
//! (x86-64), [`Nested`] (AMD), [`Extended`] (Intel) and [`SecondStage`] (VT-d);
//! [`TableMemory`], through which every entry is read and written.
//!
//! A table may be in use by a walker at any time, and every write leaves it right: each
//! address translates as before the operation or as after it, never to anything else. A walker
//! that has cached an entry is the caller's to flush, after [`PageTable::unmap`] always, and
//! after [`PageTable::map`] where the hardware caches entries that are not present (VT-d in
//! caching mode).
//!
//! Tables are never given back, for no memory is while guests run; an unmapped range keeps
//! its empty tables for the next mapping, which then uses no larger leaves than they allow.

#![no_std]
#![forbid(unsafe_code)]

mod access;
mod error;
mod format;
mod leaves;
mod level;
mod memory;
mod span;
mod table;
mod walk;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]
mod tests;

pub use access::{Access, MemoryKind};
pub use error::MapError;
pub use format::{Extended, Format, Host, Nested, SecondStage};
pub use leaves::Leaves;
pub use level::Level;
pub use memory::TableMemory;
pub use table::{PageTable, Translation};
