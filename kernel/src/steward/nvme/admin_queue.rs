//! One command at a time through the admin queue.

use core::sync::atomic::{Ordering, fence};

use addr::{HostPhysical, Range};

use super::StewardError;
use super::command::Command;
use super::controller::Controller;
use crate::cpu::time;
use crate::host::frames;
use crate::host::physical::Ram;

const ENTRIES: u32 = 16;
const PAGE_BYTES: u64 = 4096;
const SUBMISSION_OFFSET: u64 = 0;
const COMPLETION_OFFSET: u64 = PAGE_BYTES;
const DATA_OFFSET: u64 = 2 * PAGE_BYTES;
const SUBMISSION_ENTRY_BYTES: u64 = 64;
const COMPLETION_ENTRY_BYTES: u64 = 16;
const ANSWER_MILLISECONDS: u64 = 5000;

/// An admin queue pair and one page of data, three frames in a row.
pub struct AdminQueue {
    controller: Controller,
    memory: Ram,
    next: u32,
    /// The phase tag that a new completion has: it flips at every turn of the queue.
    phase: u64,
}

impl AdminQueue {
    /// Takes the frames for `controller`'s admin queue.
    pub fn new(controller: Controller) -> Result<Self, StewardError> {
        let memory = frames::allocate(3).ok_or(StewardError::OutOfFrames)?;
        Ok(Self {
            controller,
            memory,
            next: 0,
            phase: 1,
        })
    }

    /// The memory that the controller must reach.
    pub const fn memory(&self) -> Range<HostPhysical> {
        self.memory.range()
    }

    /// Resets and starts the controller.
    pub fn start(&mut self) -> Result<(), StewardError> {
        let base = self.memory.range().start().as_u64();
        let at = |offset: u64| HostPhysical::new(base.wrapping_add(offset));
        self.controller.disable()?;
        self.controller
            .enable(ENTRIES, at(SUBMISSION_OFFSET), at(COMPLETION_OFFSET))
    }

    /// The 16-bit field at `offset` of the data page; 0 outside.
    pub fn data_u16(&self, offset: usize) -> u16 {
        let byte = |at: usize| {
            let offset = (at as u64).checked_add(DATA_OFFSET);
            offset
                .and_then(|offset| self.memory.read_u8(offset).ok())
                .unwrap_or(0)
        };
        u16::from_le_bytes([byte(offset), byte(offset.saturating_add(1))])
    }

    /// Writes a controller list with one entry into the data page.
    pub fn set_controller_list(&mut self, controller: u16) -> Result<(), StewardError> {
        let list = 1 | (u64::from(controller) << 16);
        self.memory
            .write_u64(DATA_OFFSET, list)
            .map_err(|_| StewardError::OutOfFrames)
    }

    /// Gives the controller a command and waits for its answer.
    pub fn submit(&mut self, command: Command) -> Result<(), StewardError> {
        let data = self
            .memory
            .range()
            .start()
            .as_u64()
            .wrapping_add(DATA_OFFSET);
        let pair = |low: u32, high: u32| u64::from(low) | (u64::from(high) << 32);
        // Opcode and identifier, namespace; the data page is PRP 1; dwords 10 and 11.
        let first = pair(command.opcode | (self.next << 16), command.namespace);
        let words = [
            first,
            0,
            0,
            data,
            0,
            pair(command.dword_10, command.dword_11),
            0,
            0,
        ];
        let entry = u64::from(self.next).wrapping_mul(SUBMISSION_ENTRY_BYTES);
        for (offset, word) in (0..).step_by(8).zip(words) {
            let at = entry.wrapping_add(SUBMISSION_OFFSET).wrapping_add(offset);
            self.memory
                .write_u64(at, word)
                .map_err(|_| StewardError::OutOfFrames)?;
        }
        // The entry is in memory before the controller is told.
        fence(Ordering::Release);
        let completion = u64::from(self.next).wrapping_mul(COMPLETION_ENTRY_BYTES);
        self.next = self.next.wrapping_add(1) % ENTRIES;
        self.controller.ring_submission(self.next);
        self.wait(
            command.name,
            completion.wrapping_add(COMPLETION_OFFSET).wrapping_add(8),
        )
    }

    /// Waits until the second half of a completion entry has the new phase tag.
    fn wait(&mut self, name: &'static str, at: u64) -> Result<(), StewardError> {
        let read = || self.memory.read_u64(at).unwrap_or(0);
        let phase = self.phase;
        if !time::wait_for(ANSWER_MILLISECONDS, || (read() >> 48) & 1 == phase) {
            return Err(StewardError::Silent(name));
        }
        fence(Ordering::Acquire);
        let status = (read() >> 49) as u16;
        if self.next == 0 {
            self.phase ^= 1;
        }
        self.controller.ring_completion(self.next);
        if status == 0 {
            Ok(())
        } else {
            Err(StewardError::Failed(name, status))
        }
    }
}
