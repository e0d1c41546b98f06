//! A driver for the virtio console that every partition has (Virtual I/O Device (VIRTIO)
//! Version 1.1, sections 2.6, 4.1 and 5.3), one buffer at a time in each direction.

mod queue;

use crate::memory::Region;
use crate::msix::{Message, Table};
use crate::pci::Function;
use crate::{Failure, Verdict, apic, ensure, wait};

pub use queue::{Descriptor, ENTRIES, Queue};

/// The console's number on the bus: 00:1e.0.
pub const NUMBER: u64 = 0x1e << 3;
const IDENTITY: u32 = 0x1043_1af4;
const COMMON_BYTES: u64 = 0x38;

const DRIVER_FEATURE_SELECT: u64 = 0x08;
const DRIVER_FEATURE: u64 = 0x0c;
const STATUS: u64 = 0x14;
const QUEUE_SELECT: u64 = 0x16;
const QUEUE_SIZE: u64 = 0x18;
const QUEUE_VECTOR: u64 = 0x1a;
const QUEUE_ENABLE: u64 = 0x1c;
const QUEUE_PARTS: u64 = 0x20;
/// Acknowledge and driver; and features; and ready.
const DRIVER: u8 = 0b0011;
const FEATURES_OK: u8 = 0b1011;
const DRIVER_OK: u8 = 0b1111;
/// The device has given up.
pub const NEEDS_RESET: u8 = 1 << 6;
/// Feature 32, version 1, in the second half.
const VERSION_1: u32 = 1;
/// A descriptor's flag: the device writes.
const WRITE: u16 = 1 << 1;

/// Where the queues are.
const RECEIVE_AT: u64 = 0x180_0000;
const TRANSMIT_AT: u64 = 0x181_0000;
/// How much is received at once.
const RECEIVED_BYTES: u32 = 64;

/// The vector of the interrupt that tells of received bytes.
pub const VECTOR: u8 = 0x71;

/// The console, driven.
pub struct Console {
    common: Region,
    /// The queue by which the driver receives.
    pub receive: Queue,
    /// The queue by which it prints.
    pub transmit: Queue,
    /// The bytes that were received and not taken yet: from here on, and up to there.
    taken: u32,
    received: u32,
}

impl Console {
    /// Finds it and sets it up, with an interrupt on [`VECTOR`] for received bytes.
    ///
    /// # Errors
    /// If it is not there, or does not do as the specification says.
    pub fn start() -> Result<Self, Failure> {
        let none = Failure::new(format_args!("there is no virtio console"));
        let function = Function::new(NUMBER).ok_or(none)?;
        ensure!(function.read::<u32>(0) == IDENTITY, "00:1e.0 is none");
        function.enable();
        // The common configuration is at the start of BAR 0.
        let common = Region::new(function.bar(0), COMMON_BYTES).ok_or(none)?;
        Table::enable(&function)?.write(0, Message::fixed(apic::id(), VECTOR));
        let mut console = Self {
            common,
            receive: Queue::new(RECEIVE_AT)?,
            transmit: Queue::new(TRANSMIT_AT)?,
            taken: 0,
            received: 0,
        };
        console.set_up()?;
        Ok(console)
    }

    /// Resets the device and sets it up anew.
    ///
    /// # Errors
    /// If it refuses.
    pub fn set_up(&mut self) -> Verdict {
        self.negotiate()?;
        self.receive.clear();
        self.transmit.clear();
        self.place_queue(0, self.receive.parts());
        self.place_queue(1, self.transmit.parts());
        self.begin();
        ensure!(self.status() == DRIVER_OK, "status {:#x}", self.status());
        (self.taken, self.received) = (0, 0);
        self.offer();
        Ok(())
    }

    /// Resets the device and goes on to where it accepts the features.
    ///
    /// # Errors
    /// If it refuses them.
    pub fn negotiate(&self) -> Verdict {
        self.common.write(STATUS, 0_u8);
        ensure!(self.status() == 0, "it is not reset");
        self.common.write(STATUS, DRIVER);
        self.common.write(DRIVER_FEATURE_SELECT, 1_u32);
        self.common.write(DRIVER_FEATURE, VERSION_1);
        self.common.write(STATUS, FEATURES_OK);
        ensure!(self.status() == FEATURES_OK, "version 1 is refused");
        Ok(())
    }

    /// Says where the parts of a queue are, and enables it.
    pub fn place_queue(&self, index: u16, parts: [u64; 3]) {
        self.common.write(QUEUE_SELECT, index);
        self.common.write(QUEUE_VECTOR, 0_u16);
        for (offset, part) in (QUEUE_PARTS..).step_by(8).zip(parts) {
            self.common.write(offset, part as u32);
            let high = offset.wrapping_add(4);
            self.common.write(high, (part >> 32) as u32);
        }
        self.common.write(QUEUE_ENABLE, 1_u16);
    }

    /// Changes the size of a queue that is not enabled.
    pub fn resize_queue(&self, index: u16, size: u16) {
        self.common.write(QUEUE_SELECT, index);
        self.common.write(QUEUE_SIZE, size);
    }

    /// Tells the device that the driver is ready.
    pub fn begin(&self) {
        self.common.write(STATUS, DRIVER_OK);
    }

    /// The device's status.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.common.read(STATUS)
    }

    /// Prints, in pieces of `piece` bytes; whether the device has taken all of it, each piece
    /// within some seconds.
    pub fn print(&mut self, bytes: &[u8], piece: usize) -> bool {
        bytes.chunks(piece).all(|part| {
            for (offset, byte) in (0..).zip(part) {
                self.transmit.put(offset, *byte);
            }
            let descriptor = Descriptor {
                address: self.transmit.buffer(),
                bytes: u32::try_from(part.len()).unwrap_or(0),
                flags: 0,
                next: 0,
            };
            self.transmit.describe(0, descriptor);
            self.transmit.give(0);
            wait::busy(|| self.transmit.under_way() == 0)
        })
    }

    /// The next byte that was typed, if there is one.
    pub fn receive(&mut self) -> Option<u8> {
        if self.received == 0 {
            if self.receive.under_way() > 0 {
                return None;
            }
            self.received = self.receive.written().min(RECEIVED_BYTES);
            self.taken = 0;
        }
        let byte = self.receive.read(self.taken.into());
        self.taken = self.taken.wrapping_add(1);
        if self.taken >= self.received {
            self.received = 0;
            self.offer();
        }
        Some(byte)
    }

    fn offer(&mut self) {
        let descriptor = Descriptor {
            address: self.receive.buffer(),
            bytes: RECEIVED_BYTES,
            flags: WRITE,
            next: 0,
        };
        self.receive.describe(0, descriptor);
        self.receive.give(0);
    }
}
