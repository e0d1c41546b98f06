//! PCI configuration space: what its registers mean, apart from how they are reached.
//!
//! Key types: [`ConfigSpace`] (4 KiB of registers of one function, as the caller reaches
//! them), [`header`], [`capability`], [`bar::Bar`], [`single_root_io::SingleRootIo`],
//! [`msix::Msix`], [`express::Express`], [`identity::Identity`] and [`window::Windows`].
//! Everything here is a plain function over a [`ConfigSpace`], so that the host tests run it
//! on a fake one.
//!
//! Expected: extended configuration access (ECAM). Not handled: `CardBus` bridges,
//! resizable BARs, multi-root I/O virtualisation.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bar;
pub mod bridge;
pub mod capability;
pub mod express;
pub mod header;
pub mod identity;
pub mod msix;
pub mod single_root_io;
pub mod window;

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]
mod fake;

pub use bar::{Bar, BarKind};
pub use capability::{Capability, CapabilityId, ExtendedCapability, ExtendedCapabilityId};

/// The 4 KiB of configuration registers of one function.
///
/// Offsets are aligned to the width of the access and below 4,096; an implementation
/// answers others with all ones and drops the write. Reading an absent function gives all
/// ones. Writes take `&self`: the registers belong to the device, not to this handle, and
/// change without it.
pub trait ConfigSpace {
    /// Reads one byte.
    fn read8(&self, offset: u16) -> u8;
    /// Reads two bytes, little-endian.
    fn read16(&self, offset: u16) -> u16;
    /// Reads four bytes, little-endian.
    fn read32(&self, offset: u16) -> u32;
    /// Writes one byte.
    fn write8(&self, offset: u16, value: u8);
    /// Writes two bytes.
    fn write16(&self, offset: u16, value: u16);
    /// Writes four bytes.
    fn write32(&self, offset: u16, value: u32);
}
