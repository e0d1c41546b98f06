//! The common configuration of a device (VIRTIO, section 4.1.4.3 "Common configuration
//! structure layout") and its life (section 2.1 "Device Status Field").
//!
//! A register is written in one piece, a 64-bit one also in halves; everything else is
//! dropped, as is what comes at the wrong time.

use addr::GuestPhysical;

use super::queue::{Direction, Place, Queue};
use crate::config_space::Image;

/// The number of queues: the driver's receive queue, then its transmit queue.
pub const QUEUES: usize = 2;
/// No message: also what reads back where one was asked for that the device does not have.
pub const NO_VECTOR: u16 = 0xffff;
/// The bytes of the structure.
pub const BYTES: u16 = 0x38;

/// Feature bit 32, `VIRTIO_F_VERSION_1`: the only one offered, and one that a driver must take.
const VERSION_1: u64 = 1 << 32;
const STATUS_DRIVER_OK: u8 = 1 << 2;
const STATUS_FEATURES_OK: u8 = 1 << 3;
const STATUS_NEEDS_RESET: u8 = 1 << 6;

const DEVICE_FEATURE_SELECT: u16 = 0x00;
const DRIVER_FEATURE_SELECT: u16 = 0x08;
const DRIVER_FEATURE: u16 = 0x0c;
const CONFIG_VECTOR: u16 = 0x10;
const DEVICE_STATUS: u16 = 0x14;
const QUEUE_SELECT: u16 = 0x16;
const QUEUE_SIZE: u16 = 0x18;
const QUEUE_VECTOR: u16 = 0x1a;
const QUEUE_ENABLE: u16 = 0x1c;
/// Descriptor table, available ring ("driver area"), used ring ("device area").
const QUEUE_PARTS: u16 = 0x20;

/// A device's common configuration.
#[derive(Debug)]
pub struct Registers {
    vectors: u16,
    device_feature_select: u32,
    driver_feature_select: u32,
    driver_features: u64,
    config_vector: u16,
    status: u8,
    queue_select: u16,
    queues: [Setup; QUEUES],
}

/// What a driver has said of a queue.
#[derive(Debug, Clone, Copy)]
struct Setup {
    size: u16,
    vector: u16,
    parts: [u64; 3],
    queue: Option<Queue>,
}

impl Setup {
    const RESET: Self = Self {
        size: super::queue::MAXIMUM_SIZE,
        vector: NO_VECTOR,
        parts: [0; 3],
        queue: None,
    };

    /// What is shown of a queue that does not exist.
    const ABSENT: Self = Self {
        size: 0,
        ..Self::RESET
    };

    fn place(&self) -> Place {
        let [descriptors, available, used] = self.parts.map(GuestPhysical::new);
        Place {
            size: self.size,
            descriptors,
            available,
            used,
        }
    }
}

impl Registers {
    /// A device after reset that has `vectors` messages.
    #[must_use]
    pub const fn new(vectors: u16) -> Self {
        Self {
            vectors,
            device_feature_select: 0,
            driver_feature_select: 0,
            driver_features: 0,
            config_vector: NO_VECTOR,
            status: 0,
            queue_select: 0,
            queues: [Setup::RESET; QUEUES],
        }
    }

    /// Whether the driver uses the device: it has said so, and has made no mistake since.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET) == STATUS_DRIVER_OK
    }

    /// The queue with this index, if the driver has enabled it.
    pub fn queue(&mut self, index: usize) -> Option<&mut Queue> {
        self.queues.get_mut(index)?.queue.as_mut()
    }

    /// The message that tells of the queue with this index.
    #[must_use]
    pub fn vector(&self, index: usize) -> u16 {
        self.queues.get(index).map_or(NO_VECTOR, |one| one.vector)
    }

    /// The driver has made a mistake: the device does nothing any more until it is reset. The
    /// message that tells of it (section 2.1.2 "Device Requirements: Device Status Field").
    pub const fn break_down(&mut self) -> u16 {
        self.status |= STATUS_NEEDS_RESET;
        self.config_vector
    }

    /// The driver's write of the low `bytes` bytes of `value` at `offset`.
    pub fn write(&mut self, offset: u16, bytes: u8, value: u64) {
        let [b0, b1, b2, b3, ..] = value.to_le_bytes();
        let (word, dword) = (
            u16::from_le_bytes([b0, b1]),
            u32::from_le_bytes([b0, b1, b2, b3]),
        );
        match (offset, bytes) {
            (DEVICE_FEATURE_SELECT, 4) => self.device_feature_select = dword,
            (DRIVER_FEATURE_SELECT, 4) => self.driver_feature_select = dword,
            (DRIVER_FEATURE, 4) => self.take_features(dword),
            (CONFIG_VECTOR, 2) => self.config_vector = self.checked_vector(word),
            (DEVICE_STATUS, 1) => self.set_status(b0),
            (QUEUE_SELECT, 2) => self.queue_select = word,
            _ => self.write_queue(offset, bytes, value),
        }
    }

    fn take_features(&mut self, half: u32) {
        if self.status & STATUS_FEATURES_OK != 0 {
            return;
        }
        let (low, high) = (u64::from(u32::MAX), u64::from(u32::MAX) << 32);
        match self.driver_feature_select {
            0 => self.driver_features = self.driver_features & high | u64::from(half),
            1 => self.driver_features = self.driver_features & low | u64::from(half) << 32,
            _ => {}
        }
    }

    /// A driver adds bits one by one, and takes them away only together, by a reset.
    fn set_status(&mut self, value: u8) {
        if value == 0 {
            *self = Self::new(self.vectors);
            return;
        }
        let mut added = value & !STATUS_NEEDS_RESET;
        if self.driver_features != VERSION_1 {
            added &= !STATUS_FEATURES_OK;
        }
        if (self.status | added) & STATUS_FEATURES_OK == 0 {
            added &= !STATUS_DRIVER_OK;
        }
        self.status |= added;
    }

    fn checked_vector(&self, vector: u16) -> u16 {
        if vector < self.vectors {
            vector
        } else {
            NO_VECTOR
        }
    }

    /// A write to a register of the selected queue. One in use is changed no more, but its
    /// message may be.
    fn write_queue(&mut self, offset: u16, bytes: u8, value: u64) {
        let [low, high, ..] = value.to_le_bytes();
        let word = u16::from_le_bytes([low, high]);
        let vector = self.checked_vector(word);
        let index = usize::from(self.queue_select);
        let direction = match index {
            0 => Direction::ToDriver,
            _ => Direction::FromDriver,
        };
        let Some(setup) = self.queues.get_mut(index) else {
            return;
        };
        match (offset, bytes) {
            (QUEUE_VECTOR, 2) => setup.vector = vector,
            _ if setup.queue.is_some() => {}
            (QUEUE_SIZE, 2) => setup.size = word,
            (QUEUE_ENABLE, 2) if word == 1 => {
                setup.queue = Queue::new(setup.place(), direction);
                if setup.queue.is_none() {
                    self.status |= STATUS_NEEDS_RESET;
                }
            }
            _ => setup.write_part(offset, bytes, value),
        }
    }

    /// Makes `page` show the registers, which are at its start.
    pub fn show(&self, page: &mut impl Image) {
        for (offset, dword) in (0..BYTES).step_by(4).zip(self.dwords()) {
            page.write32(offset, dword);
        }
    }

    /// All of them, in their order.
    fn dwords(&self) -> [u32; BYTES as usize / 4] {
        let pair = |low: u16, high: u16| u32::from(high) << 16 | u32::from(low);
        let setup = self.queues.get(usize::from(self.queue_select));
        // Where to notify: in the order of the queues.
        let notify = setup.map_or(0, |_| self.queue_select);
        let setup = setup.unwrap_or(&Setup::ABSENT);
        let [descriptors, available, used] = setup.parts;
        [
            self.device_feature_select,
            half(VERSION_1, self.device_feature_select),
            self.driver_feature_select,
            half(self.driver_features, self.driver_feature_select),
            pair(self.config_vector, QUEUES as u16),
            pair(self.status.into(), self.queue_select),
            pair(setup.size, setup.vector),
            pair(setup.queue.is_some().into(), notify),
            half(descriptors, 0),
            half(descriptors, 1),
            half(available, 0),
            half(available, 1),
            half(used, 0),
            half(used, 1),
        ]
    }
}

impl Setup {
    fn write_part(&mut self, offset: u16, bytes: u8, value: u64) {
        let Some(inside) = offset.checked_sub(QUEUE_PARTS) else {
            return;
        };
        let Some(part) = self.parts.get_mut(usize::from(inside / 8)) else {
            return;
        };
        let low = u64::from(u32::MAX);
        match (inside % 8, bytes) {
            (0, 8) => *part = value,
            (0, 4) => *part = *part & !low | value & low,
            (4, 4) => *part = *part & low | value << 32,
            _ => {}
        }
    }
}

/// The low or the high half of `value`; 0 for further ones.
const fn half(value: u64, select: u32) -> u32 {
    match select {
        0 => value as u32,
        1 => (value >> 32) as u32,
        _ => 0,
    }
}
