//! A split virtqueue, from the device's side (VIRTIO, section 2.6 "Split Virtqueues").
//!
//! The rings are the guest's memory and may change under the device's eyes. So each word is
//! read once; what it says is checked before it is used; a walk along descriptors ends after
//! as many steps as there are descriptors; and whoever serves a queue says how many steps of
//! all kinds it may cost.

use core::sync::atomic::{Ordering, fence};

use addr::{Address, GuestPhysical};

use super::Memory;

/// The most buffers that a queue here can have.
pub const MAXIMUM_SIZE: u16 = 16;

const DESCRIPTOR_BYTES: u64 = 16;
/// Flags of a descriptor: another one follows; the device writes; it is a table of others.
const NEXT: u16 = 1 << 0;
const WRITE: u16 = 1 << 1;
const INDIRECT: u16 = 1 << 2;
/// Flags of the available ring: the driver does not want to be interrupted.
const NO_INTERRUPT: u16 = 1 << 0;
/// Both rings have flags and an index before their entries.
const RING_INDEX: u64 = 2;
const RING_ENTRIES: u64 = 4;
const AVAILABLE_ENTRY_BYTES: u64 = 2;
const USED_ENTRY_BYTES: u64 = 8;

/// The driver has put something into its rings that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

/// Where a driver has put a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The number of descriptors, and of entries in either ring.
    pub size: u16,
    /// The descriptor table.
    pub descriptors: GuestPhysical,
    /// The available ring, which the driver writes.
    pub available: GuestPhysical,
    /// The used ring, which the device writes.
    pub used: GuestPhysical,
}

impl Place {
    /// The entry of a ring that an index means.
    fn slot(&self, index: u16) -> u64 {
        u64::from(index & self.size.wrapping_sub(1))
    }
}

/// Whether the device reads a buffer or writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The driver sends.
    FromDriver,
    /// The driver receives.
    ToDriver,
}

/// One queue in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    place: Place,
    direction: Direction,
    /// The driver's index up to which buffers were taken.
    next_available: u16,
    /// The device's index up to which buffers were given back.
    next_used: u16,
    /// Whether a buffer was ever taken.
    was_used: bool,
    /// Whether the driver does not know yet of one that was given back.
    unannounced: bool,
    /// The buffer that is under way.
    current: Option<Chain>,
}

/// A buffer under way: a chain of descriptors, and how far it was gone through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Chain {
    head: u16,
    /// The bytes left in the part that is under way, and where they are.
    at: GuestPhysical,
    left: u32,
    /// The descriptor of the next part.
    next: Option<u16>,
    /// How many descriptors may still follow.
    steps: u16,
    /// The bytes that the device has written.
    written: u32,
}

impl Queue {
    /// A queue that begins; `None` if it cannot be there (VIRTIO, section 2.6: the size is a
    /// power of two, and each part has its alignment).
    #[must_use]
    pub fn new(place: Place, direction: Direction) -> Option<Self> {
        let aligned = |part: GuestPhysical, bytes: u64| part.as_u64().is_multiple_of(bytes);
        let good = place.size.is_power_of_two()
            && place.size <= MAXIMUM_SIZE
            && aligned(place.descriptors, 16)
            && aligned(place.available, 2)
            && aligned(place.used, 4);
        good.then_some(Self {
            place,
            direction,
            next_available: 0,
            next_used: 0,
            was_used: false,
            unannounced: false,
            current: None,
        })
    }

    /// The next byte of the driver's that the device may read or write, and nothing if it has
    /// given no further buffer. The byte counts as done; a buffer that is done is given back
    /// when the next byte is asked for, or by [`Queue::flush`].
    ///
    /// Every step on the way takes one from `budget`, for a driver can fill its ring as fast as
    /// it is emptied, with buffers that have nothing for this direction. When nothing is left
    /// of it there is no byte either, and the next call goes on from here.
    ///
    /// # Errors
    /// The rings are broken.
    pub fn next_byte<M: Memory>(
        &mut self,
        memory: &M,
        budget: &mut usize,
    ) -> Result<Option<GuestPhysical>, Broken> {
        let (place, direction) = (self.place, self.direction);
        while let Some(rest) = budget.checked_sub(1) {
            *budget = rest;
            match &mut self.current {
                Some(chain) if chain.left > 0 => return chain.advance(direction).map(Some),
                Some(chain) => match chain.next {
                    Some(index) => chain.follow(index, &place, direction, memory)?,
                    None => self.give_back(memory)?,
                },
                None => {
                    if !self.take(memory)? {
                        return Ok(None);
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes the next buffer that the driver has made available; whether there is one.
    fn take<M: Memory>(&mut self, memory: &M) -> Result<bool, Broken> {
        let waiting = self.waiting(memory)?;
        if waiting == 0 {
            return Ok(false);
        }
        // The entry was written before the index that says so.
        fence(Ordering::Acquire);
        let slot = self.place.slot(self.next_available);
        let offset = RING_ENTRIES.wrapping_add(slot.wrapping_mul(AVAILABLE_ENTRY_BYTES));
        let head = read_u16(memory, self.place.available, offset)?;
        if head >= self.place.size {
            return Err(Broken);
        }
        self.next_available = self.next_available.wrapping_add(1);
        self.was_used = true;
        self.current = Some(Chain {
            head,
            at: GuestPhysical::new(0),
            left: 0,
            next: Some(head),
            steps: self.place.size,
            written: 0,
        });
        Ok(true)
    }

    /// Whether the driver has ever made a buffer available.
    ///
    /// # Errors
    /// The rings are broken.
    pub fn is_used<M: Memory>(&self, memory: &M) -> Result<bool, Broken> {
        Ok(self.was_used || self.waiting(memory)? != 0)
    }

    /// How many buffers wait to be taken.
    ///
    /// # Errors
    /// More than the ring holds.
    fn waiting<M: Memory>(&self, memory: &M) -> Result<u16, Broken> {
        let index = read_u16(memory, self.place.available, RING_INDEX)?;
        let waiting = index.wrapping_sub(self.next_available);
        (waiting <= self.place.size)
            .then_some(waiting)
            .ok_or(Broken)
    }

    /// Gives the buffer under way back, if it has come to its end or the device has written to
    /// it; whether the driver is to be told of what it got back since the last time.
    ///
    /// # Errors
    /// The rings are broken.
    pub fn flush<M: Memory>(&mut self, memory: &M) -> Result<bool, Broken> {
        let is_done = self.current.is_some_and(|chain| match self.direction {
            Direction::FromDriver => chain.left == 0 && chain.next.is_none(),
            Direction::ToDriver => chain.written > 0,
        });
        if is_done {
            self.give_back(memory)?;
        }
        if !core::mem::take(&mut self.unannounced) {
            return Ok(false);
        }
        // The driver looks at the index after it has asked for interrupts: so the index must
        // be there before its wish is looked at.
        fence(Ordering::SeqCst);
        let flags = read_u16(memory, self.place.available, 0)?;
        Ok(flags & NO_INTERRUPT == 0)
    }

    /// Puts the buffer under way into the used ring.
    fn give_back<M: Memory>(&mut self, memory: &M) -> Result<(), Broken> {
        let Some(chain) = self.current.take() else {
            return Ok(());
        };
        let slot = self.place.slot(self.next_used);
        let offset = RING_ENTRIES.wrapping_add(slot.wrapping_mul(USED_ENTRY_BYTES));
        let entry = u64::from(chain.written) << 32 | u64::from(chain.head);
        let at = self.place.used.checked_add(offset).ok_or(Broken)?;
        memory.write(at, &entry.to_le_bytes()).ok_or(Broken)?;
        // The entry is there before the index says so.
        fence(Ordering::Release);
        self.next_used = self.next_used.wrapping_add(1);
        let at = self.place.used.checked_add(RING_INDEX).ok_or(Broken)?;
        memory.write_u16(at, self.next_used).ok_or(Broken)?;
        self.unannounced = true;
        Ok(())
    }
}

impl Chain {
    /// Goes on behind the next byte of the part under way, which has one; where that is.
    fn advance(&mut self, direction: Direction) -> Result<GuestPhysical, Broken> {
        let at = self.at;
        self.left = self.left.saturating_sub(1);
        self.at = at.checked_add(1).ok_or(Broken)?;
        if direction == Direction::ToDriver {
            self.written = self.written.saturating_add(1);
        }
        Ok(at)
    }

    /// Goes on to descriptor `index`; a part for the other direction is passed over.
    fn follow<M: Memory>(
        &mut self,
        index: u16,
        place: &Place,
        direction: Direction,
        memory: &M,
    ) -> Result<(), Broken> {
        if index >= place.size {
            return Err(Broken);
        }
        self.steps = self.steps.checked_sub(1).ok_or(Broken)?;
        let offset = u64::from(index).wrapping_mul(DESCRIPTOR_BYTES);
        let at = place.descriptors.checked_add(offset).ok_or(Broken)?;
        let rest = at.checked_add(8).ok_or(Broken)?;
        let address = memory.read_u64(at).ok_or(Broken)?;
        let [l0, l1, l2, l3, f0, f1, n0, n1] = memory.read_u64(rest).ok_or(Broken)?.to_le_bytes();
        let flags = u16::from_le_bytes([f0, f1]);
        if flags & INDIRECT != 0 {
            return Err(Broken);
        }
        self.next = (flags & NEXT != 0).then_some(u16::from_le_bytes([n0, n1]));
        let is_ours = (flags & WRITE != 0) == (direction == Direction::ToDriver);
        if is_ours {
            self.at = GuestPhysical::new(address);
            self.left = u32::from_le_bytes([l0, l1, l2, l3]);
        }
        Ok(())
    }
}

fn read_u16<M: Memory>(memory: &M, start: GuestPhysical, offset: u64) -> Result<u16, Broken> {
    let at = start.checked_add(offset).ok_or(Broken)?;
    memory.read_u16(at).ok_or(Broken)
}
