//! As much of an NVMe controller as an attack needs: the admin queue and the Identify
//! command (NVM Express Base Specification 2.0, sections 3.1.3 "Controller Properties", 3.3.1
//! "Memory-based Transport Queue Model", 5.17 "Identify command").

use crate::memory::Region;
use crate::pci::Function;
use crate::{Failure, Verdict, wait};

const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_QUEUE_ATTRIBUTES: u64 = 0x24;
const ADMIN_SUBMISSION_QUEUE: u64 = 0x28;
const ADMIN_COMPLETION_QUEUE: u64 = 0x30;
const SUBMISSION_DOORBELL: u64 = 0x1000;
const COMPLETION_DOORBELL: u64 = 0x1004;
const REGISTER_BYTES: u64 = 0x2000;

/// Configuration: enable; queue entries of 64 and 16 bytes.
const ENABLE: u32 = 1 | 6 << 16 | 4 << 20;
/// Status: ready; fatal.
const READY: u32 = 1;
const FATAL: u32 = 1 << 1;
const ENTRIES: u32 = 16;
/// Queues of so many entries, counted from 0.
const ATTRIBUTES: u32 = (ENTRIES - 1) << 16 | (ENTRIES - 1);
const IDENTIFY: u32 = 6;
const IDENTIFY_CONTROLLER: u32 = 1;

/// Where the guest's own queues and buffer are: above its image, in RAM that nothing uses.
pub const OWN_SUBMISSION_QUEUE: u64 = 0x80_0000;
/// The completion queue.
pub const OWN_COMPLETION_QUEUE: u64 = 0x80_1000;
/// The buffer for a command's data.
pub const OWN_BUFFER: u64 = 0x80_2000;
const PAGE_BYTES: u64 = 4096;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A completion with this status field arrived.
    Completed(u16),
    /// The controller reports a fatal error.
    Fatal,
    /// Neither in the time given.
    Nothing,
}

/// A controller with its admin queue.
#[derive(Debug, Clone, Copy)]
pub struct Controller {
    registers: Region,
    submission: Region,
    completion: Region,
}

impl Controller {
    /// The controller that `function` is, with bus mastering on.
    ///
    /// # Errors
    /// If its registers are not where memory can be mapped.
    pub fn new(function: &Function) -> Result<Self, Failure> {
        function.enable();
        let region = |address, bytes| {
            let unmapped = Failure::new(format_args!("{address:#x} cannot be mapped"));
            Region::new(address, bytes).ok_or(unmapped)
        };
        Ok(Self {
            registers: region(function.bar(0), REGISTER_BYTES)?,
            submission: region(OWN_SUBMISSION_QUEUE, PAGE_BYTES)?,
            completion: region(OWN_COMPLETION_QUEUE, PAGE_BYTES)?,
        })
    }

    /// Resets the controller and enables it with its admin queues at the given addresses.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn restart(&self, submission_queue: u64, completion_queue: u64) -> Verdict {
        self.registers.write(CONFIGURATION, 0_u32);
        if !wait::busy(|| self.read_status() & READY == 0) {
            crate::fail!("the controller does not stop");
        }
        self.submission.clear();
        self.completion.clear();
        self.registers.write(ADMIN_QUEUE_ATTRIBUTES, ATTRIBUTES);
        self.write_address(ADMIN_SUBMISSION_QUEUE, submission_queue);
        self.write_address(ADMIN_COMPLETION_QUEUE, completion_queue);
        self.registers.write(CONFIGURATION, ENABLE);
        if !wait::busy(|| self.read_status() & (READY | FATAL) != 0) {
            crate::fail!(
                "the controller does not start: status {:#x}",
                self.read_status()
            );
        }
        Ok(())
    }

    /// Puts an Identify command for `buffer` into the guest's own queue, as its first.
    pub fn prepare_identify(&self, buffer: u64) {
        self.submission.write(0, IDENTIFY);
        self.submission.write(24, buffer);
        self.submission.write(40, IDENTIFY_CONTROLLER);
    }

    /// Rings the doorbell for the first command and waits for what comes of it.
    #[must_use]
    pub fn run_first(&self) -> Outcome {
        self.registers.write(SUBMISSION_DOORBELL, 1_u32);
        let ended = || self.has_completion() || self.read_status() & FATAL != 0;
        let _ended = wait::busy(ended);
        match (self.has_completion(), self.read_status() & FATAL) {
            (true, _) => {
                self.registers.write(COMPLETION_DOORBELL, 1_u32);
                Outcome::Completed(self.completion.read::<u16>(14) >> 1)
            }
            (false, 0) => Outcome::Nothing,
            (false, _) => Outcome::Fatal,
        }
    }

    /// Whether the first entry of the guest's own completion queue has the new phase.
    fn has_completion(&self) -> bool {
        self.completion.read::<u16>(14) & 1 != 0
    }

    fn read_status(&self) -> u32 {
        self.registers.read(STATUS)
    }

    fn write_address(&self, offset: u64, address: u64) {
        let bytes = address.to_le_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        self.registers
            .write(offset, u32::from_le_bytes([a, b, c, d]));
        self.registers
            .write(offset.wrapping_add(4), u32::from_le_bytes([e, f, g, h]));
    }
}

/// The admin queues, used for one Identify after another.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    controller: Controller,
    tail: u32,
    head: u32,
    /// The phase of completions that are new.
    phase: u16,
}

impl Queue {
    /// The queues of `controller`, which has just been restarted.
    #[must_use]
    pub const fn new(controller: Controller) -> Self {
        Self {
            controller,
            tail: 0,
            head: 0,
            phase: 1,
        }
    }

    /// Submits an Identify into the guest's own buffer.
    pub fn submit_identify(&mut self) {
        let Controller { submission, .. } = self.controller;
        let at = u64::from(self.tail).wrapping_mul(64);
        submission.write(at, IDENTIFY);
        submission.write(at.wrapping_add(24), OWN_BUFFER);
        submission.write(at.wrapping_add(40), IDENTIFY_CONTROLLER);
        self.tail = self.tail.wrapping_add(1) % ENTRIES;
        let registers = self.controller.registers;
        registers.write(SUBMISSION_DOORBELL, self.tail);
    }

    /// Takes the next completion and returns its status; `None` if none has come.
    pub fn complete(&mut self) -> Option<u16> {
        let at = u64::from(self.head).wrapping_mul(16).wrapping_add(14);
        let status = self.controller.completion.read::<u16>(at);
        if status & 1 != self.phase {
            return None;
        }
        self.head = self.head.wrapping_add(1) % ENTRIES;
        if self.head == 0 {
            self.phase ^= 1;
        }
        let registers = self.controller.registers;
        registers.write(COMPLETION_DOORBELL, self.head);
        Some(status >> 1)
    }
}
