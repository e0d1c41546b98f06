//! A guest's memory and a driver, for tests.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test may overflow: it fails"
)]

extern crate std;
use core::cell::{Cell, RefCell};
use std::vec::Vec;

use addr::{ApicId, GuestPhysical};

use super::Memory;
use super::console::Console;
use crate::config_space::{BYTES, Effect, Image};

/// The guest's memory begins here, so that address 0 is outside.
pub const RAM: u64 = 0x1000;
pub const RAM_BYTES: usize = 0x8000;
pub const OWN: &[ApicId] = &[ApicId(2), ApicId(3)];
/// Where the driver has the queues, and their buffers.
pub const RINGS: [u64; 2] = [0x1000, 0x2000];
pub const BUFFERS: [u64; 2] = [0x3000, 0x5000];
pub const WRITE: u16 = 2;
pub const NEXT: u16 = 1;

pub struct Ram(RefCell<Vec<u8>>);

impl Ram {
    pub fn new() -> Self {
        Self(RefCell::new(std::vec![0; RAM_BYTES]))
    }

    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.write(GuestPhysical::new(at), bytes).unwrap();
    }

    pub fn get(&self, at: u64, count: usize) -> Vec<u8> {
        let from = usize::try_from(at - RAM).unwrap();
        self.0.borrow()[from..from + count].to_vec()
    }

    pub fn all(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    fn read<const N: usize>(&self, at: GuestPhysical, alignment: u64) -> Option<[u8; N]> {
        assert!(at.as_u64().is_multiple_of(alignment), "{at}");
        let from = usize::try_from(at.as_u64().checked_sub(RAM)?).ok()?;
        let bytes = self.0.borrow();
        let found = bytes.get(from..from.checked_add(N)?)?;
        found.try_into().ok()
    }
}

impl Memory for Ram {
    fn read_u16(&self, at: GuestPhysical) -> Option<u16> {
        self.read(at, 2).map(u16::from_le_bytes)
    }
    fn read_u64(&self, at: GuestPhysical) -> Option<u64> {
        self.read(at, 8).map(u64::from_le_bytes)
    }
    fn read_u8(&self, at: GuestPhysical) -> Option<u8> {
        self.read(at, 1).map(u8::from_le_bytes)
    }
    fn write_u16(&self, at: GuestPhysical, value: u16) -> Option<()> {
        assert!(at.as_u64().is_multiple_of(2), "{at}");
        self.write(at, &value.to_le_bytes())
    }
    fn write(&self, at: GuestPhysical, bytes: &[u8]) -> Option<()> {
        let from = usize::try_from(at.as_u64().checked_sub(RAM)?).ok()?;
        let mut ram = self.0.borrow_mut();
        let place = ram.get_mut(from..from.checked_add(bytes.len())?)?;
        place.copy_from_slice(bytes);
        Some(())
    }
}

/// Memory whose driver fills the transmit queue's ring, with descriptor 0 always, as fast as
/// it is emptied; it counts what is read.
pub struct NeverEmpty<'a> {
    ram: &'a Ram,
    pub reads: Cell<usize>,
}

impl<'a> NeverEmpty<'a> {
    pub fn new(ram: &'a Ram) -> Self {
        let reads = Cell::new(0);
        Self { ram, reads }
    }

    fn count(&self) {
        self.reads.set(self.reads.get() + 1);
    }
}

impl Memory for NeverEmpty<'_> {
    fn read_u16(&self, at: GuestPhysical) -> Option<u16> {
        self.count();
        let (available, used) = (RINGS[1] + 0x202, RINGS[1] + 0x402);
        if at.as_u64() == available {
            let used = Memory::read_u16(self.ram, GuestPhysical::new(used))?;
            return Some(used.wrapping_add(16));
        }
        Memory::read_u16(self.ram, at)
    }
    fn read_u64(&self, at: GuestPhysical) -> Option<u64> {
        self.count();
        self.ram.read_u64(at)
    }
    fn read_u8(&self, at: GuestPhysical) -> Option<u8> {
        self.count();
        self.ram.read_u8(at)
    }
    fn write_u16(&self, at: GuestPhysical, value: u16) -> Option<()> {
        self.ram.write_u16(at, value)
    }
    fn write(&self, at: GuestPhysical, bytes: &[u8]) -> Option<()> {
        self.ram.write(at, bytes)
    }
}

/// A device with its page, and the memory of the guest that drives it.
pub struct Machine {
    pub console: Console,
    pub page: [u8; BYTES],
    pub ram: Ram,
}

impl Machine {
    pub fn new() -> Self {
        let mut page = [0; BYTES];
        let mut console = Console::new();
        console.reset(&mut page);
        Self {
            console,
            page,
            ram: Ram::new(),
        }
    }

    /// One that a driver has set up, with interrupts on vectors 0x31 (configuration) and 0x32
    /// (queues) of core 3.
    pub fn driven() -> Self {
        let mut machine = Self::new();
        machine.set_up();
        machine
    }

    pub fn set_up(&mut self) {
        self.console.configure(Effect::Command {
            memory: true,
            bus_master: true,
        });
        self.console.configure(Effect::MsixControl {
            enable: true,
            mask_all: false,
        });
        for vector in [0_u16, 1] {
            let at = 0x800 + vector * 16;
            self.write(at, 4, 0xfee0_3000);
            self.write(at + 8, 4, 0x31 + u64::from(vector));
            self.write(at + 12, 4, 0);
        }
        self.negotiate();
        self.write(0x10, 2, 0);
        for (index, rings) in (0_u64..).zip(RINGS) {
            self.write(0x16, 2, index);
            self.write(0x1a, 2, 1);
            self.write(0x20, 4, rings);
            self.write(0x28, 4, rings + 0x200);
            self.write(0x30, 8, rings + 0x400);
            self.write(0x1c, 2, 1);
        }
        self.write(0x14, 1, 0xf);
    }

    /// Acknowledges, takes what is offered, and says so.
    pub fn negotiate(&mut self) {
        self.write(0x14, 1, 3);
        for select in [0, 1] {
            self.write(0x00, 4, select);
            self.write(0x08, 4, select);
            let offered = self.page.read32(4);
            self.write(0x0c, 4, offered.into());
        }
        self.write(0x14, 1, 0xb);
    }

    pub fn write(&mut self, offset: u16, bytes: u8, value: u64) {
        let write = (offset, bytes, value);
        let _ = self.console.write(&mut self.page, write, OWN);
    }

    pub fn status(&self) -> u8 {
        self.page[0x14]
    }

    /// Puts a descriptor into a queue's table.
    pub fn describe(
        &self,
        queue: usize,
        index: u64,
        (at, length): (u64, u32),
        (flags, next): (u16, u16),
    ) {
        let entry = RINGS[queue] + 16 * index;
        self.ram.put(entry, &at.to_le_bytes());
        self.ram.put(entry + 8, &length.to_le_bytes());
        self.ram.put(entry + 12, &flags.to_le_bytes());
        self.ram.put(entry + 14, &next.to_le_bytes());
    }

    /// Makes the buffer that starts with descriptor `head` available as number `number`.
    pub fn offer(&self, queue: usize, number: u16, head: u16) {
        let ring = RINGS[queue] + 0x200;
        let slot = u64::from(number % 16);
        self.ram.put(ring + 4 + 2 * slot, &head.to_le_bytes());
        self.ram
            .put(ring + 2, &number.wrapping_add(1).to_le_bytes());
    }

    /// The used ring: its index, and the entry at `slot`.
    pub fn used(&self, queue: usize, slot: u64) -> (u16, u32, u32) {
        let ring = RINGS[queue] + 0x400;
        let [i0, i1] = self.ram.get(ring + 2, 2).try_into().unwrap();
        let entry: [u8; 8] = self.ram.get(ring + 4 + 8 * slot, 8).try_into().unwrap();
        let entry = u64::from_le_bytes(entry);
        (
            u16::from_le_bytes([i0, i1]),
            entry as u32,
            (entry >> 32) as u32,
        )
    }

    pub fn transmit(&mut self, most: usize) -> Vec<u8> {
        let mut sent = Vec::new();
        let Self { console, page, ram } = self;
        let count = console.transmit(page, ram, most, |byte| sent.push(byte));
        assert_eq!(count, sent.len());
        sent
    }

    pub fn receive(&mut self, bytes: &[u8]) -> Option<usize> {
        self.console.receive(&mut self.page, &self.ram, bytes)
    }

    /// The vectors of the interrupts that are due.
    pub fn interrupts(&mut self) -> Vec<u8> {
        let mut sent = Vec::new();
        self.console.take_due(&mut self.page, |interrupt| {
            assert!(OWN.contains(&interrupt.destination));
            sent.push(interrupt.vector);
        });
        sent
    }
}
