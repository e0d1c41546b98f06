//! One physical core: who it is, its stacks, and the mailbox by which others ask it for
//! something.

use core::arch::asm;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use addr::{ApicId, HostPhysical, PageSize, Range};
use spin::Once;
use wake_up::{Rest, Signal};
use x86_64::VirtAddr;
use x86_64::registers::control::{Cr4, Cr4Flags};
use x86_64::registers::model_specific::GsBase;

use super::descriptors::Descriptors;
use super::{local_apic, time};
use crate::host::{frames, paging};

/// Frames of the stack for faults that must not trust the main one: room for the record of a crash.
const FAULT_STACK_FRAMES: u64 = 1;
/// Longer than any interrupt between two cores takes.
const LATE_WAKE_MILLISECONDS: u64 = 100;

/// One physical core. Each has one, which lives for ever and which its GS base points to.
#[repr(C)]
pub struct Core {
    /// Points to this very value, so that `gs:0` finds it.
    this: *const Core,
    /// The core's x2APIC ID.
    pub id: ApicId,
    /// What others ask of this core.
    pub mailbox: Mailbox,
    /// Whether it waits in root mode and takes interrupts.
    rest: Rest,
    /// Descriptor tables and the address of the stack for faults.
    pub descriptors: Descriptors,
}

// SAFETY: `this` is never written after `new`; all else that changes is atomic.
unsafe impl Sync for Core {}
// SAFETY: as above; a core's value is used by all cores.
unsafe impl Send for Core {}

/// No frame is left for a core's stacks.
#[derive(Debug)]
pub struct OutOfFrames;

impl Core {
    /// Makes the value and the stack for faults of the core with x2APIC ID `id`.
    pub fn new(id: ApicId) -> Result<&'static Self, OutOfFrames> {
        extern crate alloc;
        let descriptors = Descriptors::new(stack(FAULT_STACK_FRAMES)?);
        let this = core::ptr::null();
        let core = Self {
            this,
            id,
            mailbox: Mailbox::new(),
            rest: Rest::new(),
            descriptors,
        };
        let core = alloc::boxed::Box::leak(alloc::boxed::Box::new(core));
        core.this = &raw const *core;
        // SAFETY: `leak` gives memory that is never freed; `link` keeps only the address of
        // the TSS, which is not moved or written by anybody else from here on.
        unsafe { core.descriptors.link() };
        Ok(core)
    }

    /// Makes this the value of the core that runs: its descriptor tables, its GS base.
    pub fn install(&'static self) {
        self.descriptors.load();
        // SAFETY: the IDT just loaded has a handler, on a stack of its own, for the machine
        // checks that this makes arrive; without it they would reset the machine.
        unsafe { Cr4::update(|flags| flags.insert(Cr4Flags::MACHINE_CHECK_EXCEPTION)) };
        GsBase::write(VirtAddr::new_truncate((&raw const *self) as u64));
    }

    /// The value of the core that runs, once [`Core::install`] has made it so.
    pub fn current() -> Option<&'static Self> {
        let this = GsBase::read().as_ptr::<Self>();
        // SAFETY: in root mode the GS base is 0 until `install` sets it to a value that lives
        // for ever; back ends restore it at every exit.
        unsafe { this.as_ref() }
    }

    /// The core goes to run a guest: from now on it is kicked, not woken. To be called while
    /// it takes interrupts, for a wake-up that is under way would otherwise reach the guest.
    pub fn leave_rest(&self) {
        // The local APIC does not lose it; the bound is there because every wait has one.
        self.rest.leave(|has_come| {
            time::wait_for(LATE_WAKE_MILLISECONDS, has_come);
        });
    }

    /// The core waits in root mode again.
    pub fn rest(&self) {
        self.rest.begin();
    }

    /// The interrupt that wakes a core at rest has come.
    pub fn notice_wake() {
        if let Some(core) = Self::current() {
            core.rest.notice_wake();
        }
    }

    /// An NMI has come in root mode. Where guests keep their NMIs, one that comes between two
    /// stays in a guest is the guest's: it gets it with the next entry, which must not be put
    /// off. Everywhere else it has done its work, or is nobody's.
    pub fn notice_nmi() {
        if let Some(core) = Self::current()
            && !core.rest.is_at_rest()
            && KICK.get() == Some(&Kick::Init)
        {
            core.mailbox.post(Request::NMI);
            core.kick();
        }
    }

    /// Posts `request` and makes the core look at it, whether it waits in root mode or runs a
    /// guest.
    pub fn ask(&self, request: Request) {
        self.mailbox.post(request);
        match self.rest.ask() {
            Some(Signal::Wake) => local_apic::send_wake(self.id),
            Some(Signal::Kick) => self.kick(),
            None => {}
        }
    }

    /// Gives the guest of this core an NMI.
    pub fn give_nmi(&self) {
        match KICK.get() {
            Some(Kick::Init) => local_apic::send_nmi(self.id),
            Some(Kick::NonMaskableInterrupt) | None => self.ask(Request::NMI),
        }
    }

    /// Interrupts the guest of this core on `vector`, 16 or more; false, and nothing done, if
    /// the core is at rest. One that comes late is dropped, as all are that come at rest.
    pub fn interrupt(&self, vector: u8) -> bool {
        let runs = !self.rest.is_at_rest();
        if runs {
            local_apic::send_vector(self.id, vector);
        }
        runs
    }

    /// Makes the core leave its guest, now or as soon as it has entered it.
    pub fn kick(&self) {
        match KICK.get() {
            Some(Kick::Init) => local_apic::send_init(self.id),
            Some(Kick::NonMaskableInterrupt) | None => local_apic::send_nmi(self.id),
        }
    }
}

/// What makes a core leave its guest, whatever the guest's flags are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kick {
    /// An NMI. Guests have no NMIs of their own but those that root mode injects.
    NonMaskableInterrupt,
    /// INIT, which VMX operation keeps from its usual effect. NMIs are the guest's.
    Init,
}

static KICK: Once<Kick> = Once::new();

/// Chooses what makes cores leave their guests, once.
pub fn choose_kick(kick: Kick) {
    KICK.call_once(|| kick);
}

/// What a core's main stack is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Running a guest, and answering its exits.
    Guest,
    /// Housekeeping: consoles, channels, the start and the end of guests.
    Housekeeping,
}

/// Makes a main stack, and gives its top.
///
/// # Errors
/// The pool has no frames left.
pub fn main_stack(work: Work) -> Result<HostPhysical, OutOfFrames> {
    stack(match work {
        Work::Guest => 2,
        Work::Housekeeping => 3,
    })
}

/// Goes on with `entry` on the stack below `top`, and leaves the one before for good.
///
/// # Safety
/// Nobody else uses that stack, and nobody uses anything on the one before.
pub unsafe fn go_on<T>(
    top: HostPhysical,
    entry: extern "C" fn(&'static mut T) -> !,
    argument: &'static mut T,
) -> ! {
    // SAFETY: the caller vouches for both stacks; an argument is passed in RDI, and RBP = 0 ends
    // the chain of frames (System V ABI 1.0, section 3.2 "Function Calling Sequence").
    unsafe {
        asm!(
            "mov rsp, {top}",
            "xor ebp, ebp",
            "call {entry}",
            "ud2",
            top = in(reg) top.as_u64(),
            entry = in(reg) entry,
            in("rdi") argument,
            options(noreturn)
        )
    }
}

/// Takes frames for a stack, with an unmapped page below, and gives its top.
fn stack(frame_count: u64) -> Result<HostPhysical, OutOfFrames> {
    let frames = frames::allocate(frame_count.saturating_add(1)).ok_or(OutOfFrames)?;
    let guard =
        Range::new(frames.range().start(), PageSize::Size4KiB.bytes()).ok_or(OutOfFrames)?;
    paging::unmap(guard).map_err(|_| OutOfFrames)?;
    Ok(frames.range().end())
}

/// Something that one core asks of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request(u32);

impl Request {
    /// Leave the guest: its partition stops.
    pub const STOP: Self = Self(1 << 0);
    /// Reset the virtual CPU into its wait for SIPI.
    pub const INIT: Self = Self(1 << 1);
    /// Start the virtual CPU at the mailbox' start-up page, if it waits for SIPI.
    pub const START_UP: Self = Self(1 << 2);
    /// Give the guest an NMI.
    pub const NMI: Self = Self(1 << 3);
    /// Start the partition's boot CPU.
    pub const RUN: Self = Self(1 << 4);
    /// Stand still: see `hold.rs`.
    pub const STAND: Self = Self(1 << 5);
}

/// What others ask of a core.
pub struct Mailbox {
    requests: AtomicU32,
    start_up_page: AtomicU8,
}

impl Mailbox {
    const fn new() -> Self {
        Self {
            requests: AtomicU32::new(0),
            start_up_page: AtomicU8::new(0),
        }
    }

    /// Adds a request; several of one kind are one.
    pub fn post(&self, request: Request) {
        self.requests.fetch_or(request.0, Ordering::SeqCst);
    }

    /// Sets where a start-up request starts, in pages of 4 KiB.
    pub fn set_start_up_page(&self, page: u8) {
        self.start_up_page.store(page, Ordering::Release);
    }

    /// Where a start-up request starts, in pages of 4 KiB.
    pub fn start_up_page(&self) -> u8 {
        self.start_up_page.load(Ordering::Acquire)
    }

    /// Whether nothing is asked; a plain load, cheap enough for every exit. What the core did
    /// before it took the last request out is seen by who finds its mailbox empty.
    pub fn is_empty(&self) -> bool {
        self.requests.load(Ordering::Acquire) == 0
    }

    /// Whether `request` is in.
    pub fn has(&self, request: Request) -> bool {
        self.requests.load(Ordering::Acquire) & request.0 != 0
    }

    /// Takes `request` out; whether it was there.
    pub fn take(&self, request: Request) -> bool {
        self.requests.fetch_and(!request.0, Ordering::AcqRel) & request.0 != 0
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.requests.store(0, Ordering::Release);
    }
}
