//! As much of an NVMe controller as an attack needs: the admin queue with Identify, and one
//! I/O queue with Read (NVM Express Base Specification 2.0, sections 3.1.3 "Controller
//! Properties", 3.3.1 "Memory-based Transport Queue Model", 5.17 "Identify command"; NVM
//! Command Set Specification 1.0, section 3.2.4 "Read command").

use crate::memory::Region;
use crate::pci::Function;
use crate::{Failure, Verdict, wait};

const VERSION: u64 = 0x08;
const CONFIGURATION: u64 = 0x14;
const STATUS: u64 = 0x1c;
const ADMIN_QUEUE_ATTRIBUTES: u64 = 0x24;
const ADMIN_SUBMISSION_QUEUE: u64 = 0x28;
const ADMIN_COMPLETION_QUEUE: u64 = 0x30;
const SUBMISSION_DOORBELL: u64 = 0x1000;
const COMPLETION_DOORBELL: u64 = 0x1004;
/// The doorbells of I/O queue 1.
const IO_SUBMISSION_DOORBELL: u64 = 0x1008;
const IO_COMPLETION_DOORBELL: u64 = 0x100c;
const REGISTER_BYTES: u64 = 0x2000;

/// Configuration: enable; queue entries of 64 and 16 bytes.
const ENABLE: u32 = 1 | 6 << 16 | 4 << 20;
/// Status: ready; fatal.
const READY: u32 = 1;
const FATAL: u32 = 1 << 1;
const ENTRIES: u32 = 16;
const LAST_ENTRY: u32 = ENTRIES - 1;
/// Queues of so many entries, counted from 0.
const ATTRIBUTES: u32 = LAST_ENTRY << 16 | LAST_ENTRY;
const CREATE_IO_SUBMISSION_QUEUE: u32 = 1;
const READ: u32 = 2;
const CREATE_IO_COMPLETION_QUEUE: u32 = 5;
/// Both queues are number 1, as long as the admin queues, and lie in one piece.
const IO_QUEUE: u32 = LAST_ENTRY << 16 | 1;
const CONTIGUOUS: u32 = 1;
/// The completion queue interrupts; its vector is in bits 31:16.
const INTERRUPTS: u32 = 1 << 1;
const ENTRY_BYTES: u64 = 64;
const IDENTIFY: u32 = 6;
const IDENTIFY_CONTROLLER: u32 = 1;

/// Where the guest's own queues and buffer are: above its image, in RAM that nothing uses.
pub const OWN_SUBMISSION_QUEUE: u64 = 0x80_0000;
/// The completion queue.
pub const OWN_COMPLETION_QUEUE: u64 = 0x80_1000;
/// The buffer for a command's data.
pub const OWN_BUFFER: u64 = 0x80_2000;
/// The I/O queues, and the list of a long transfer's pages.
const IO_SUBMISSION_QUEUE: u64 = 0x80_3000;
const IO_COMPLETION_QUEUE: u64 = 0x80_4000;
const PAGE_LIST: u64 = 0x80_5000;
const PAGE_BYTES: u64 = 4096;
const BLOCK_BYTES: u64 = 512;

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

    /// Makes I/O queue 1, after [`restart`](Self::restart); its completions interrupt by this
    /// entry of the MSI-X table.
    ///
    /// # Errors
    /// If the controller refuses.
    pub fn create_io_queue(&self, interrupt: Option<u16>) -> Verdict {
        let interrupts = interrupt.map_or(0, |vector| u32::from(vector) << 16 | INTERRUPTS);
        let flags = CONTIGUOUS | interrupts;
        let completion = (CREATE_IO_COMPLETION_QUEUE, IO_COMPLETION_QUEUE, flags);
        // Its completions go to queue 1.
        let to_queue_1 = CONTIGUOUS | 1 << 16;
        let submission = (CREATE_IO_SUBMISSION_QUEUE, IO_SUBMISSION_QUEUE, to_queue_1);
        for (index, (opcode, address, flags)) in (0_u32..).zip([completion, submission]) {
            let entry = u64::from(index).wrapping_mul(ENTRY_BYTES);
            let at = |offset: u64| entry.wrapping_add(offset);
            self.submission.write(at(0), opcode);
            self.submission.write(at(24), address);
            self.submission.write(at(40), IO_QUEUE);
            self.submission.write(at(44), flags);
            let status = u64::from(index).wrapping_mul(16).wrapping_add(14);
            let tail = index.wrapping_add(1);
            self.registers.write(SUBMISSION_DOORBELL, tail);
            let ended = || self.completion.read::<u16>(status) & 1 != 0;
            crate::ensure!(wait::busy(ended), "command {opcode} is not answered");
            let result = self.completion.read::<u16>(status) >> 1;
            crate::ensure!(result == 0, "command {opcode} failed: {result:#x}");
        }
        Ok(())
    }

    /// Asks for the first `bytes` of `namespace`, `count` times at once, into memory from
    /// `buffer` on: whole pages, 512 at most, and 15 commands at most. Nobody waits for them.
    ///
    /// # Errors
    /// If the queue cannot be mapped.
    pub fn start_reads(&self, namespace: u32, buffer: u64, bytes: u64, count: u32) -> Verdict {
        let unmapped = || Failure::new(format_args!("the I/O queue cannot be mapped"));
        let queue = Region::new(IO_SUBMISSION_QUEUE, PAGE_BYTES).ok_or_else(unmapped)?;
        let list = Region::new(PAGE_LIST, PAGE_BYTES).ok_or_else(unmapped)?;
        let pages = (buffer..buffer.saturating_add(bytes)).step_by(4096).skip(1);
        for (index, page) in (0_u64..).zip(pages) {
            list.write(index.wrapping_mul(8), page);
        }
        let blocks = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(1);
        for index in 0..count {
            let entry = u64::from(index).wrapping_mul(ENTRY_BYTES);
            let at = |offset: u64| entry.wrapping_add(offset);
            queue.write(at(0), READ | index << 16);
            queue.write(at(4), namespace);
            queue.write(at(24), buffer);
            queue.write(at(32), PAGE_LIST);
            queue.write(at(48), blocks.wrapping_sub(1));
        }
        self.registers.write(IO_SUBMISSION_DOORBELL, count);
        Ok(())
    }

    /// Whether nobody answers at the controller's registers: its version then is none.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.registers.read::<u32>(VERSION), 0 | u32::MAX)
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

/// I/O queue 1, used for one read after another.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    registers: Region,
    submission: Region,
    completion: Region,
    tail: u32,
    head: u32,
    /// The phase of completions that are new.
    phase: u16,
}

impl Queue {
    /// The queue, which tells completions by entry `vector` of the MSI-X table, of
    /// `controller`, which has just been restarted.
    ///
    /// # Errors
    /// If the controller refuses.
    pub fn new(controller: &Controller, vector: u16) -> Result<Self, Failure> {
        controller.create_io_queue(Some(vector))?;
        let region = |address| {
            let unmapped = Failure::new(format_args!("{address:#x} cannot be mapped"));
            Region::new(address, PAGE_BYTES).ok_or(unmapped)
        };
        Ok(Self {
            registers: controller.registers,
            submission: region(IO_SUBMISSION_QUEUE)?,
            completion: region(IO_COMPLETION_QUEUE)?,
            tail: 0,
            head: 0,
            phase: 1,
        })
    }

    /// Asks for the first page of `namespace`, into the guest's own buffer.
    pub fn submit_read(&mut self, namespace: u32) {
        let at = u64::from(self.tail).wrapping_mul(ENTRY_BYTES);
        let blocks = PAGE_BYTES / BLOCK_BYTES;
        self.submission.write(at, READ);
        self.submission.write(at.wrapping_add(4), namespace);
        self.submission.write(at.wrapping_add(24), OWN_BUFFER);
        self.submission
            .write(at.wrapping_add(48), blocks.wrapping_sub(1));
        self.tail = self.tail.wrapping_add(1) % ENTRIES;
        self.registers.write(IO_SUBMISSION_DOORBELL, self.tail);
    }

    /// Takes the next completion and returns its status; `None` if none has come.
    pub fn complete(&mut self) -> Option<u16> {
        let at = u64::from(self.head).wrapping_mul(16).wrapping_add(14);
        let status = self.completion.read::<u16>(at);
        if status & 1 != self.phase {
            return None;
        }
        self.head = self.head.wrapping_add(1) % ENTRIES;
        if self.head == 0 {
            self.phase ^= 1;
        }
        self.registers.write(IO_COMPLETION_DOORBELL, self.head);
        Some(status >> 1)
    }
}
