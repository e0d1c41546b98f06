//! The invalidation queue of one unit (VT-d, section 6.5.2 "Queued Invalidation Interface").

extern crate alloc;
use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, Ordering};

use addr::HostPhysical;
use vtd::registers::{FAULT_STATUS, INVALIDATION_QUEUE_ADDRESS, INVALIDATION_QUEUE_TAIL};
use vtd::{Descriptor, FaultStatus};

use super::super::IommuError;
use crate::cpu::time;
use crate::host::frames;
use crate::host::physical::{Ram, Registers};

/// Far longer than any invalidation takes without device TLBs.
const ANSWER_MILLISECONDS: u64 = 100;

/// The queue, one page, and the word to which the unit reports.
pub struct InvalidationQueue {
    memory: Ram,
    /// Written by the unit.
    status: &'static AtomicU32,
    /// The first of the page's 256 entries that holds no descriptor.
    tail: u8,
    /// The value of the last wait; the status word has it once everything is done.
    sequence: u32,
}

impl InvalidationQueue {
    /// Takes the frame for a queue.
    pub fn new() -> Result<Self, IommuError> {
        let memory = frames::allocate(1).ok_or(IommuError::OutOfFrames)?;
        Ok(Self {
            memory,
            status: Box::leak(Box::new(AtomicU32::new(0))),
            tail: 0,
            sequence: 0,
        })
    }

    /// Tells the unit where the queue is; the queue must be off. An error that an earlier queue
    /// has left would stop this one, too.
    pub fn install(&mut self, registers: Registers) {
        registers.write_u32(FAULT_STATUS, FaultStatus::INVALIDATION_ERRORS.bits());
        self.tail = 0;
        registers.write_u64(INVALIDATION_QUEUE_TAIL, 0);
        let queue = self.memory.range().start().as_u64();
        registers.write_u64(INVALIDATION_QUEUE_ADDRESS, queue);
    }

    /// Adds `descriptors` and a wait, and waits for that to be reported.
    pub fn submit(
        &mut self,
        registers: Registers,
        descriptors: &[Descriptor],
    ) -> Result<(), IommuError> {
        self.sequence = self.sequence.wrapping_add(1);
        let status = HostPhysical::new(self.status.as_ptr() as u64);
        for descriptor in descriptors {
            self.push(*descriptor);
        }
        self.push(Descriptor::wait(status, self.sequence));
        registers.write_u64(INVALIDATION_QUEUE_TAIL, self.tail_offset());
        let done = || self.status.load(Ordering::Acquire) == self.sequence;
        if time::wait_for(ANSWER_MILLISECONDS, done) {
            return Ok(());
        }
        // A unit that stands still on an error goes on once the error is cleared.
        registers.write_u32(FAULT_STATUS, FaultStatus::INVALIDATION_ERRORS.bits());
        Err(IommuError::Timeout("an invalidation was not carried out"))
    }

    fn tail_offset(&self) -> u64 {
        u64::from(self.tail).wrapping_mul(Descriptor::BYTES)
    }

    fn push(&mut self, descriptor: Descriptor) {
        let offset = self.tail_offset();
        // The queue has 256 entries of 16 bytes, a page: no offset is outside.
        let _ = self.memory.write_pair(offset, descriptor.0);
        self.memory.flush_line(offset);
        self.tail = self.tail.wrapping_add(1);
    }
}
