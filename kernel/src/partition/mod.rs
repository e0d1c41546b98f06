//! A partition: whole cores, fixed memory, PCI functions, and what its guest is given in
//! place of a machine.
//!
//! Key types: [`Partition`], which all its cores and the housekeeping core share, and
//! [`custody::Custody`], by which the housekeeping core alone starts it and takes it apart. A
//! partition is built once, by `build.rs`; its cores run it.

pub mod build;
pub mod clock;
mod config_ports;
pub mod custody;
pub mod devices;
pub mod life;
pub mod memory;
pub mod mmio;
pub mod ports;
pub mod pristine;
mod provision;
pub mod replacement;
pub mod seal;
mod string_io;
mod teardown;

extern crate alloc;
use alloc::boxed::Box;
use alloc::string::String;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use addr::{ApicId, GuestPhysical, Range, RequesterId};
use devices::SharedPages;
use devices::console::{Activity, Console};
use guest_image::Entry;
pub use lifecycle::StopCause;
use page_table::Leaves;
use spin::Mutex;
use vdev::cpuid::Counts;
use vdev::exit_reason::ExitReason;
use vdev::io_apic::IoApic;
use vdev::message::Interrupt;
use vdev::processor::Processor;
use vdev::uart::Uart;

use crate::cpu::attention;
use crate::cpu::core::{Core, Request};
use crate::vcpu::counters::Counters;
use devices::synthetic::Model;

/// What is kept of a guest's output.
pub const CONSOLE_BYTES: usize = 16 * 1024 - 8;

/// What a partition's second-stage tables are made of.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    /// The CPU's: the leaves of RAM alone, and the tables for all else too.
    pub cpu: Leaves,
    /// The IOMMU's.
    pub iommu: Leaves,
}

/// One partition.
pub struct Partition {
    /// Its name in the plan.
    pub name: String,
    /// Its cores, the boot core first.
    pub cores: Box<[&'static Core]>,
    /// Its cores' x2APIC IDs, in the same order.
    pub core_ids: Box<[ApicId]>,
    /// Its memory.
    pub memory: memory::GuestRam,
    /// How that is translated.
    pub translation: Translation,
    /// Where its guest has the configuration space of its functions.
    pub ecam: Range<GuestPhysical>,
    /// Its PCI functions.
    pub functions: Box<[Mutex<devices::Function>]>,
    /// Those on its guest's bus that Bulkhead itself is.
    pub synthetic: Box<[Mutex<devices::Synthetic>]>,
    /// Its exits, one set of counters for each core.
    pub counters: Box<[Counters]>,
    /// What of them was made by guests before the one that runs.
    earlier: Counters,
    starts: AtomicU64,
    /// The last that its guests have printed. Whoever holds the UART writes.
    pub console: &'static history::Bytes<CONSOLE_BYTES>,
    /// How much of it was written over before the machine's console could show it.
    pub console_lost: AtomicU64,
    /// The 16550 that its guest sees.
    pub uart: Mutex<Uart>,
    /// The I/O APIC whose one input is the power button's.
    pub io_apic: Mutex<IoApic>,
    /// The address register of CF8/CFC, where the plan offers these ports.
    pub config_address: Option<AtomicU32>,
    /// The requester IDs of its PCI functions.
    pub requesters: Box<[RequesterId]>,
    /// How often the IOMMU refused something to its functions.
    pub faults: AtomicU64,
    /// How often it was denied something.
    pub denied: AtomicU64,
    /// What the CPU has, as far as the MSR policy depends on it.
    pub processor: Processor,
    /// The time stamp counter when the guest's clock showed 0.
    pub tsc_origin: u64,
    life: life::Life,
    /// How the guest of the last start begins: there before its boot core is asked to run.
    entry: Mutex<Option<Entry>>,
    housekeeping: ApicId,
}

impl Partition {
    /// A core begins to run the guest; false if the partition is stopping.
    pub fn enter(&self) -> bool {
        self.life.enter()
    }

    /// Whether its cores may run the guest.
    pub fn runs(&self) -> bool {
        self.life.runs()
    }

    /// How its boot core begins, once it was started.
    pub fn entry(&self) -> Option<Entry> {
        *self.entry.lock()
    }

    /// A core has left the guest. The last one out of a partition that stops tells the
    /// housekeeping core.
    pub fn leave(&self) {
        if self.life.leave() {
            attention::call(self.housekeeping);
        }
    }

    /// Stops the partition; the first cause is the one that is kept.
    pub fn stop(&self, cause: StopCause) {
        if self.life.stop(cause) {
            self.ask_all(Request::STOP);
        }
    }

    fn ask_all(&self, request: Request) {
        for core in &self.cores {
            core.ask(request);
        }
    }

    /// Starts the partition's boot core at `entry`.
    pub fn start(&self, entry: Entry) {
        *self.entry.lock() = Some(entry);
        for reason in ExitReason::ALL {
            self.earlier.set(reason, self.exits(reason));
        }
        self.starts.fetch_add(1, Ordering::Relaxed);
        self.life.start();
        if let Some(core) = self.cores.first() {
            core.ask(Request::RUN);
        }
    }

    /// Types at the guest: at the console without exits if its driver listens there, else at
    /// the 16550. How many of `bytes` found room.
    pub fn receive(&self, bytes: &[u8]) -> usize {
        match self.with_console(|console| console.receive(self, bytes)) {
            None => 0,
            Some(Some(count)) => count,
            Some(None) => {
                let mut uart = self.uart.lock();
                bytes.iter().take_while(|byte| uart.receive(**byte)).count()
            }
        }
    }

    /// Takes some of what the guest prints on the console without exits.
    pub fn serve_console(&self) -> Activity {
        // Whoever holds the 16550 writes the history. A core of the guest's that does, or that
        // sets the console up, is not waited for.
        let served = self.uart.try_lock().and_then(|_writer| {
            let put = |byte| self.console.push(byte);
            self.with_console(|console| console.transmit(self, put))
        });
        served.unwrap_or(Activity::Quiet)
    }

    /// Does something with the console without exits; `None` if a core of the guest's does just
    /// now.
    fn with_console<T>(&self, action: impl FnOnce(&mut Console) -> T) -> Option<T> {
        let mut function = self.synthetic.first()?.try_lock()?;
        match &mut function.model {
            Model::Console(console) => Some(action(console)),
            Model::Delegation(_) => None,
        }
    }

    /// What its guest manages others by, where the plan gives it rights.
    pub fn shared_pages(&self) -> Option<&'static SharedPages> {
        let mut synthetic = self.synthetic.iter();
        synthetic.find_map(|function| match function.lock().model {
            Model::Delegation(shared) => Some(shared),
            Model::Console(_) => None,
        })
    }

    /// Why the guest ends, told once, as soon as it does.
    pub fn take_end(&self) -> Option<StopCause> {
        self.life.take_end()
    }

    /// Whether all cores have left the guest.
    pub fn is_over(&self) -> bool {
        self.life.is_over()
    }

    /// Whether its cores have read everything that was asked of them. One that has read a
    /// start-up of the guest that is over has looked at [`Partition::enter`] since.
    fn has_settled(&self) -> bool {
        self.cores.iter().all(|core| core.mailbox.is_empty())
    }

    /// Raises `interrupt` in the guest, without an exit; false, and nothing done, if its core
    /// does not run the guest. For the housekeeping core.
    ///
    /// One that comes when the core has just left the guest is dropped there. None is left for
    /// the partition's next guest, which begins only after its cores have answered requests
    /// that the housekeeping core has sent later.
    pub fn interrupt(&self, interrupt: Interrupt) -> bool {
        let mut cores = self.cores.iter();
        let core = cores.find(|core| core.id == interrupt.destination);
        core.is_some_and(|core| core.interrupt(interrupt.vector))
    }

    /// Presses the guest's power button; false if it has none that it listens to.
    pub fn press_power_button(&self) -> bool {
        let wanted = self.io_apic.lock().interrupt(&self.core_ids);
        matches!(wanted, Ok(Some(interrupt)) if self.interrupt(interrupt))
    }

    /// Puts the devices that hold a state into that of a machine's start.
    fn reset_devices(&self) {
        *self.uart.lock() = Uart::new();
        *self.io_apic.lock() = IoApic::new();
        if let Some(register) = &self.config_address {
            register.store(0, Ordering::Relaxed);
        }
    }

    /// Whether the function with this requester ID is the partition's.
    pub fn owns(&self, requester: RequesterId) -> bool {
        self.requesters.contains(&requester)
    }

    /// Counts something that the guest was denied.
    pub fn deny(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }

    /// The partition's exits for `reason`, of all its guests and cores together.
    pub fn exits(&self, reason: ExitReason) -> u64 {
        self.counters
            .iter()
            .fold(0, |sum, core| sum.saturating_add(core.read(reason)))
    }
}

impl Counts for Partition {
    fn guest_exits(&self, reason: ExitReason) -> u64 {
        self.exits(reason).wrapping_sub(self.earlier.read(reason))
    }

    fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }
}
