//! Addresses, ranges and identifiers, each a type of its own.
//!
//! Key types: [`HostPhysical`], [`GuestPhysical`] and [`IoVirtual`] (64-bit addresses of
//! three spaces that must never be mixed up), [`Range`], [`PageSize`], [`ApicId`] and
//! [`RequesterId`]. None has an operator: arithmetic is by checked methods, and there is
//! no way from one address space into another but through `as_u64` and `new`, which a
//! reader can see.

#![no_std]
#![forbid(unsafe_code)]

mod address;
mod identifier;
mod range;

pub use address::{Address, GuestPhysical, HostPhysical, IoVirtual, PageSize};
pub use identifier::{ApicId, RequesterId};
pub use range::Range;
