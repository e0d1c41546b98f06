//! A partition: whole cores, fixed memory, PCI functions, and what its guest is given in
//! place of a machine.
//!
//! Key types: [`Partition`], which all its cores and the housekeeping core share, and
//! [`StopCause`]. A partition is built once, by `build.rs`; its cores run it; the
//! housekeeping core prints its console and takes its devices back when it has stopped.

pub mod build;
pub mod clock;
mod config_ports;
pub mod console;
pub mod devices;
pub mod memory;
pub mod mmio;
pub mod ports;
mod provision;
pub mod stop;
mod string_io;

extern crate alloc;
use alloc::boxed::Box;
use alloc::string::String;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use addr::{ApicId, RequesterId};
pub use lifecycle::StopCause;
use spin::Mutex;
use vdev::exit_reason::ExitReason;
use vdev::processor::Processor;
use vdev::uart::Uart;

use crate::cpu::core::{Core, Request};
use crate::cpu::{local_apic, time};
use crate::iommu::{Iommu, IommuError};
use crate::vcpu::counters::Counters;

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
    /// Its PCI functions.
    pub functions: Box<[Mutex<devices::Function>]>,
    /// Its exits, one set of counters for each core.
    pub counters: Box<[Counters]>,
    /// What its guest printed and nobody has shown yet.
    pub console: console::Ring,
    /// The 16550 that its guest sees.
    pub uart: Mutex<Uart>,
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
    life: stop::Life,
    housekeeping: ApicId,
}

impl Partition {
    /// A core begins to run the guest; false if the partition is stopping.
    pub fn enter(&self) -> bool {
        self.life.enter()
    }

    /// A core has left the guest. The last one out of a partition that stops tells the
    /// housekeeping core.
    pub fn leave(&self) {
        if self.life.leave() {
            local_apic::send_wake(self.housekeeping);
        }
    }

    /// Stops the partition; the first cause is the one that is kept.
    pub fn stop(&self, cause: StopCause) {
        if self.life.stop(cause) {
            for core in &self.cores {
                core.ask(Request::STOP);
            }
        }
    }

    /// Starts the partition's boot core.
    pub fn start(&self) {
        self.life.start();
        if let Some(core) = self.cores.first() {
            core.ask(Request::RUN);
        }
    }

    /// Why the partition has stopped, told once, when all its cores have left it.
    pub fn take_stop(&self) -> Option<StopCause> {
        self.life.take_stop()
    }

    /// Whether the function with this requester ID is the partition's.
    pub fn owns(&self, requester: RequesterId) -> bool {
        self.requesters.contains(&requester)
    }

    /// Takes the functions of a stopped partition back: reset, silent, without memory.
    ///
    /// # Errors
    /// The IOMMU does not answer for a function; the others are taken back all the same.
    pub fn release_devices(&self, iommu: &Iommu) -> Result<(), IommuError> {
        let release = |function: &Mutex<devices::Function>| {
            let mut function = function.lock();
            let silent = function.reset(time::sleep);
            silent.and(iommu.revoke(function.address))
        };
        self.functions.iter().map(release).fold(Ok(()), Result::and)
    }

    /// Counts something that the guest was denied.
    pub fn deny(&self) {
        self.denied.fetch_add(1, Ordering::Relaxed);
    }

    /// The partition's exits for `reason`, all cores together.
    pub fn exits(&self, reason: ExitReason) -> u64 {
        self.counters
            .iter()
            .fold(0, |sum, core| sum.saturating_add(core.read(reason)))
    }
}
