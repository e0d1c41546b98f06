//! Works on without an exit but for inter-processor interrupts, while nobody answers any other:
//! timer interrupts, reads of its NVMe `namespace=N` if it has a function, and an interrupt to its second
//! core and back if it has that.
//!
//! `seconds=N` says for how long. Then it ends by a triple fault, for nothing else is told
//! to anybody; with `end=cpuid` or `end=msr` by an exit that somebody would have to answer.
//! With `cpuid=1` it executes CPUID each time, too, where that is always answered.

#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use test_guests::apic::{delivery, to_core};
use test_guests::interrupts::received;
use test_guests::memory::Region;
use test_guests::msix::{Message, Table};
use test_guests::nvme::{
    Controller, OWN_BUFFER, OWN_COMPLETION_QUEUE, OWN_SUBMISSION_QUEUE, Queue,
};
use test_guests::pci::Function;
use test_guests::wait::TIMER_VECTOR;
use test_guests::{
    Failure, Verdict, apic, command_line, ensure, exits, guest, instruction, processors, say, smp,
};

guest!(main);

const STORAGE_VECTOR: u8 = 0x58;
const STORAGE_ENTRY: u16 = 1;
const PING: u8 = 0x61;
const PONG: u8 = 0x62;
/// Ticks of the timer's clock, 10 ms at 1 GHz, and what that makes of a second.
const PERIOD: u32 = 10_000_000;
const PERIODS_A_SECOND: u32 = 100;
const BUFFER_BYTES: u64 = 4096;
/// A register that a guest reads by an exit.
const APIC_BASE: u32 = 0x1b;

static FIRST_CORE: AtomicU32 = AtomicU32::new(0);

fn main() -> Verdict {
    let seconds = command_line::number("seconds").unwrap_or(8);
    let asks = command_line::number("cpuid") == Some(1);
    let mut storage = Function::first().map(Storage::open).transpose()?;
    let other = start_other()?;
    let mut sent: u32 = 0;
    let faulted = |exception| Failure::new(format_args!("timer: {exception}"));
    apic::start_timer(TIMER_VECTOR, PERIOD).map_err(faulted)?;
    say!("works");
    for period in 1..=seconds.wrapping_mul(PERIODS_A_SECOND) {
        if let Some(storage) = &mut storage {
            storage.check()?;
        }
        // One at a time: two that are pending together are one.
        if let Some(other) = other.filter(|_| received(PONG) == sent) {
            instruction::send_command(to_core(other, delivery::FIXED | u64::from(PING)));
            sent = sent.wrapping_add(1);
        }
        if asks {
            exits::mark();
        }
        while received(TIMER_VECTOR) < period {
            instruction::wait_for_interrupt();
        }
    }
    ensure!(
        other.is_none() || sent > seconds,
        "{sent} interrupts only were answered in {seconds} s"
    );
    match command_line::value("end") {
        Some("cpuid") => exits::mark(),
        Some("msr") => _ = instruction::read_msr(APIC_BASE),
        _ => instruction::triple_fault(),
    }
    Ok(())
}

/// Starts the second core, if there is one.
fn start_other() -> Result<Option<u32>, Failure> {
    let own = apic::id();
    FIRST_CORE.store(own, Ordering::Release);
    let other = processors::apic_ids().find(|id| *id != own);
    if let Some(other) = other {
        smp::start(other, answer)?;
    }
    Ok(other)
}

/// What the second core does: it answers every interrupt by one.
fn answer() {
    let first = FIRST_CORE.load(Ordering::Acquire);
    let command = to_core(first, delivery::FIXED | u64::from(PONG));
    let mut answered = 0;
    loop {
        instruction::wait_for_interrupt();
        while answered < received(PING) {
            answered = answered.wrapping_add(1);
            instruction::send_command(command);
        }
    }
}

/// An NVMe function, whose namespace's first page is read again and again. It is blank.
struct Storage {
    queue: Queue,
    buffer: Region,
    namespace: u32,
    commands: u32,
}

impl Storage {
    fn open(function: Function) -> Result<Self, Failure> {
        let unmapped = Failure::new(format_args!("the buffer cannot be mapped"));
        let buffer = Region::new(OWN_BUFFER, BUFFER_BYTES).ok_or(unmapped)?;
        let controller = Controller::new(&function)?;
        let table = Table::enable(&function)?;
        table.write(
            STORAGE_ENTRY.into(),
            Message::fixed(apic::id(), STORAGE_VECTOR),
        );
        controller.restart(OWN_SUBMISSION_QUEUE, OWN_COMPLETION_QUEUE)?;
        let mut storage = Self {
            queue: Queue::new(&controller, STORAGE_ENTRY)?,
            buffer,
            namespace: command_line::number("namespace").unwrap_or(0),
            commands: 0,
        };
        storage.check()?;
        Ok(storage)
    }

    /// Lets the function write over memory, and interrupt.
    fn check(&mut self) -> Verdict {
        let mut words = (0..BUFFER_BYTES).step_by(8);
        words.clone().for_each(|at| self.buffer.write(at, u64::MAX));
        self.commands = self.commands.wrapping_add(1);
        self.queue.submit_read(self.namespace);
        while received(STORAGE_VECTOR) < self.commands {
            instruction::wait_for_interrupt();
        }
        let status = self.queue.complete();
        ensure!(status == Some(0), "command: status {status:x?}");
        let wrong = words.find(|at| self.buffer.read::<u64>(*at) != 0);
        ensure!(wrong.is_none(), "what was read is wrong at {wrong:x?}");
        Ok(())
    }
}
