//! Virtio devices over PCI, without legacy (Virtual I/O Device (VIRTIO) Version 1.1, called
//! "VIRTIO" below).
//!
//! Key types: [`registers::Registers`], how a driver finds and sets a device up;
//! [`queue::Queue`], one split virtqueue in the guest's memory; [`console::Console`], the
//! device that there is.
//!
//! Whoever serves a device looks at the queues by itself: a driver's notifications go to
//! memory that nobody reads, and cost no exit. The registers are a page that the guest reads;
//! only its writes, all of them set-up, come here.
//!
//! A driver is not trusted. What it puts into the rings is read once, checked, and never
//! believed twice; a mistake of its makes the device ask for a reset, and nothing worse.
//!
//! Not handled: INTx, so the ISR status reads zero always; the window into the BAR by
//! configuration space (VIRTIO, section 4.1.4.7 "PCI configuration access capability");
//! packed virtqueues, indirect descriptors, event indices.

pub mod console;
pub mod queue;
pub mod registers;

use addr::GuestPhysical;

/// A guest's memory, as a device reaches it. Every access is the guest's own RAM or refused,
/// and happens at once or not at all where a type of two or eight bytes is named.
pub trait Memory {
    /// Reads the aligned 16 bits at `at`.
    fn read_u16(&self, at: GuestPhysical) -> Option<u16>;
    /// Reads the aligned 64 bits at `at`.
    fn read_u64(&self, at: GuestPhysical) -> Option<u64>;
    /// Reads the byte at `at`.
    fn read_u8(&self, at: GuestPhysical) -> Option<u8>;
    /// Writes the aligned 16 bits at `at`.
    fn write_u16(&self, at: GuestPhysical, value: u16) -> Option<()>;
    /// Writes `bytes` from `at` on.
    fn write(&self, at: GuestPhysical, bytes: &[u8]) -> Option<()>;
}

#[cfg(test)]
mod testing;
