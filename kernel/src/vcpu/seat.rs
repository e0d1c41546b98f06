//! A seat: one core, and the virtual CPU that has it for itself.
//!
//! A core that nobody owns, whose guest waits for SIPI or whose partition has stopped, waits
//! in HLT until its mailbox has something.

use addr::ApicId;
use spin::{Mutex, Once};
use vdev::cpuid::GuestIdentity;
use vdev::exit_reason::ExitReason;

use super::dispatch::{self, Next};
use super::{Backend, Start, leftovers};
use crate::cpu::bring_up;
use crate::cpu::core::{Core, Request};
use crate::cpu::{hold, interrupts, local_apic};
use crate::host::paging;
use crate::partition::Partition;

/// One core's place for a virtual CPU.
pub struct Seat<B: Backend> {
    occupant: Once<Occupant<B>>,
}

/// The virtual CPU in a seat.
pub struct Occupant<B: Backend> {
    /// The partition that it belongs to.
    pub partition: &'static Partition,
    /// Its number in the partition, counted from 0.
    pub index: usize,
    /// What CPUID tells of it.
    pub identity: GuestIdentity<'static>,
    /// The virtual CPU, used by its own core only.
    pub backend: Mutex<B>,
}

impl<B: Backend> Occupant<B> {
    /// Whether it is its partition's boot CPU, which begins as the image wants; the others wait
    /// for SIPI.
    const fn is_boot_cpu(&self) -> bool {
        self.index == 0
    }

    /// Counts the exit that is being handled for another reason.
    pub fn count_instead(&self, from: ExitReason, to: ExitReason) {
        if let Some(counters) = self.partition.counters.get(self.index) {
            counters.recount(from, to);
        }
    }

    /// The x2APIC ID of the core that it has.
    pub fn core_id(&self) -> ApicId {
        self.identity.apic_id
    }

    /// Counts one exit of this virtual CPU.
    fn count(&self, reason: ExitReason) {
        if let Some(counters) = self.partition.counters.get(self.index) {
            counters.count(reason);
        }
    }
}

/// Why a core stopped running its guest.
enum Left {
    /// The partition stops.
    Stopped,
    /// The virtual CPU was reset by INIT.
    WaitsForStartUp,
}

impl<B: Backend> Seat<B> {
    /// A seat that nobody has.
    pub const fn new() -> Self {
        Self {
            occupant: Once::new(),
        }
    }

    /// Gives the seat to a virtual CPU, for good.
    pub fn occupy(&self, occupant: Occupant<B>) {
        self.occupant.call_once(|| occupant);
    }
}

/// Where an application processor arrives.
pub extern "C" fn arrive<B: Backend>(start: &'static bring_up::Start<Seat<B>>) -> ! {
    paging::enter_on_this_core();
    start.core.install();
    local_apic::enable();
    if B::check().is_err() || B::enable().is_err() {
        // It does not arrive, and is sent INIT for that.
        loop {
            interrupts::wait_unless(|| false);
        }
    }
    stay(start)
}

/// Where it stays, from the moment that it has arrived. What it came by is not needed again.
#[inline(never)]
fn stay<B: Backend>(start: &'static bring_up::Start<Seat<B>>) -> ! {
    start.arrive();
    let (core, seat) = (start.core, &start.purpose);
    let mut waits_for_start_up = true;
    loop {
        interrupts::wait_unless(|| !core.mailbox.is_empty());
        match seat.occupant.get() {
            Some(occupant) => attend(core, occupant, &mut waits_for_start_up),
            None => core.mailbox.clear(),
        }
    }
}

/// Does what the mailbox of a core without a running guest asks.
fn attend<B: Backend>(core: &'static Core, occupant: &'static Occupant<B>, waits: &mut bool) {
    core.mailbox.take(Request::NMI);
    stand_if_asked(core);
    *waits |= core.mailbox.take(Request::INIT);
    let image = if core.mailbox.take(Request::RUN) {
        occupant.partition.entry().map(Start::Image)
    } else {
        None
    };
    let start_up = core.mailbox.take(Request::START_UP) && *waits;
    let start_up = start_up.then(|| Start::StartUp {
        page: core.mailbox.start_up_page(),
    });
    if let Some(start) = image.or(start_up)
        && occupant.partition.enter()
    {
        *waits = match run(core, occupant, start) {
            Left::WaitsForStartUp => true,
            Left::Stopped => !occupant.is_boot_cpu(),
        };
        occupant.partition.leave();
    }
    // Last: who has asked for it and finds the mailbox empty knows that nothing that was asked
    // before can make this core enter the guest any more.
    core.mailbox.take(Request::STOP);
}

/// Runs the guest until its partition stops or the virtual CPU is reset.
fn run<B: Backend>(core: &Core, occupant: &'static Occupant<B>, start: Start) -> Left {
    leftovers::clear(occupant.partition.processor);
    let mut guard = occupant.backend.lock();
    let backend = &mut *guard;
    core.leave_rest();
    // From here on a kick waits for the guest to be entered: none is lost between the look
    // into the mailbox and the entry.
    B::hold_interrupts();
    local_apic::open_all_priorities();
    backend.reset(start);
    let left = loop {
        if let Some(left) = answer(core, backend) {
            break left;
        }
        let exit = backend.run();
        occupant.count(exit.reason());
        if let Next::Stop(cause) = dispatch::handle(occupant, backend, exit) {
            occupant.partition.stop(cause);
            break Left::Stopped;
        }
    };
    // First the local APIC, which keeps back what no handler of root mode can take.
    local_apic::reset();
    core.rest();
    B::release_interrupts();
    left
}

fn stand_if_asked(core: &Core) {
    if core.mailbox.take(Request::STAND) {
        hold::stand();
    }
}

/// Answers what others ask of a core that runs a guest.
fn answer<B: Backend>(core: &Core, backend: &mut B) -> Option<Left> {
    if core.mailbox.is_empty() {
        return None;
    }
    stand_if_asked(core);
    if backend.has_pending_event() && core.mailbox.has(Request::NMI) {
        // One event an entry: this makes the guest exit again at once, for the next one.
        core.kick();
    } else if core.mailbox.take(Request::NMI) {
        backend.inject_nmi();
    }
    if core.mailbox.take(Request::STOP) {
        return Some(Left::Stopped);
    }
    // A SIPI that follows an INIT stays in the mailbox for the wait that begins now.
    if core.mailbox.take(Request::INIT) {
        return Some(Left::WaitsForStartUp);
    }
    // One to a virtual CPU that runs is ignored, and only a boot CPU at rest is asked to run.
    core.mailbox.take(Request::START_UP);
    core.mailbox.take(Request::RUN);
    None
}
