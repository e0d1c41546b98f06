//! Virtual CPUs: the seam between what is the same on every machine and the two back ends.
//!
//! Key types: [`Backend`], implemented once for SVM and once for VMX and chosen once at
//! boot; [`Exit`], a neutral and total account of why the guest stopped running; and
//! [`Start`], the states in which a virtual CPU can begin. What to do about an exit is
//! decided in `dispatch.rs`, once for both.

mod answer;
pub mod counters;
pub mod dispatch;
pub mod instruction;
mod leftovers;
pub mod quick;
mod registers;
pub mod seat;
pub mod svm;
pub mod vmx;

use addr::{HostPhysical, PageSize};
use guest_image::Entry;
use initial_state::InitialState;
use page_table::Format;
use permission_map::{MsrLayout, MsrMap};
use thiserror::Error;
pub use vdev::exception::Exception;
use vdev::exit_reason::ExitReason;
use vdev::msr;
use vdev::processor::Processor;

use crate::cpu::core::{Kick, OutOfFrames};
use crate::host::given_up::Table;
pub use guest_access::{Direction, MemoryFault, PortAccess};
use quick::Quick;
pub use registers::Registers;

/// Why the guest stopped running.
#[derive(Debug, Clone, Copy)]
pub enum Exit {
    /// CPUID.
    Cpuid,
    /// RDMSR of a register that is not native.
    ReadMsr { msr: u32 },
    /// WRMSR of a register that is not native.
    WriteMsr { msr: u32, value: u64 },
    /// IN, OUT, INS or OUTS.
    PortIo(PortAccess),
    /// A second-stage violation.
    Memory(MemoryFault),
    /// XSETBV.
    SetExtendedControl { register: u32, value: u64 },
    /// A non-maskable interrupt: a kick.
    NonMaskableInterrupt,
    /// An INIT: a kick.
    Init,
    /// A matter of the hardware's own, which the back end has settled.
    Settled,
    /// A value for a control register that no guest may load; it gets `#GP`.
    ForbiddenControl,
    /// An instruction that no guest may use; it gets `#UD`.
    Privileged,
    /// INVD, which is answered as WBINVD.
    InvalidateCaches,
    /// An exception of the guest's own, which it gets.
    Exception(Exception),
    /// Triple fault.
    Shutdown,
    /// The hardware reports an error of its own while the guest runs.
    MachineCheck,
    /// The delivery of an event to the guest hit a second-stage violation.
    DeliveryFault,
    /// The CPU refused to enter the guest, because of `why`.
    EntryFailure { code: u64, why: &'static str },
    /// Anything else, with the manual's name for what is known to come.
    Unknown { code: u64, name: &'static str },
}

impl Exit {
    /// How the exit is counted.
    #[inline(always)]
    pub const fn reason(&self) -> ExitReason {
        match self {
            Self::Cpuid => ExitReason::Cpuid,
            Self::ReadMsr { .. } => ExitReason::MsrRead,
            Self::WriteMsr {
                msr: vdev::msr::X2APIC_ICR,
                ..
            } => ExitReason::IcrWrite,
            Self::WriteMsr { .. } => ExitReason::MsrWrite,
            Self::PortIo(_) => ExitReason::PortIo,
            Self::Memory(_) => ExitReason::NestedPageFault,
            Self::SetExtendedControl { .. } => ExitReason::Xsetbv,
            Self::NonMaskableInterrupt => ExitReason::Nmi,
            Self::Init => ExitReason::Init,
            Self::Privileged | Self::ForbiddenControl | Self::InvalidateCaches => {
                ExitReason::PrivilegedInstruction
            }
            Self::Exception(_) => ExitReason::Exception,
            Self::Shutdown => ExitReason::Shutdown,
            Self::EntryFailure { .. } => ExitReason::EntryFailure,
            Self::Settled | Self::DeliveryFault | Self::MachineCheck | Self::Unknown { .. } => {
                ExitReason::Other
            }
        }
    }
}

/// How a virtual CPU begins.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// As a guest image wants it.
    Image(Entry),
    /// In real mode at a page of 4 KiB, as a SIPI says.
    StartUp { page: u8 },
}

impl Start {
    /// The registers at the first instruction.
    pub const fn state(self) -> InitialState {
        match self {
            Self::Image(entry) => InitialState::of_image(entry),
            Self::StartUp { page } => InitialState::start_up(page),
        }
    }
}

/// Opens the registers that `vdev::msr` leaves to the guest. One that the map has no bit for
/// stays denied: the hardware intercepts it always.
fn open_native<L: MsrLayout, const BYTES: usize>(permissions: &mut MsrMap<L, BYTES>) {
    for rule in msr::native(Processor::detect(instruction::cpuid)) {
        for number in rule.first..=rule.last {
            if rule.read == msr::Access::Native {
                permissions.allow_read(number);
            }
            if rule.write == msr::Access::Native {
                permissions.allow_write(number);
            }
        }
    }
}

/// The guest's registers that tell where an instruction is and how long it may be.
#[derive(Debug, Clone, Copy)]
pub struct CodeState {
    pub rip: u64,
    pub rflags: u64,
    pub code_base: u64,
    /// The base of ES.
    pub data_base: u64,
    pub code_long: bool,
    pub code_default_32: bool,
    pub cr0: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub efer: u64,
}

/// What the CPU lacks, or keeps locked, that a back end needs.
#[derive(Debug, Clone, Copy, Error)]
#[error("the CPU has no {what}; {remedy}")]
pub struct Missing {
    /// The feature's name in the manuals.
    pub what: &'static str,
    /// What a person can do about it.
    pub remedy: &'static str,
}

/// A CPU's way to run guests. All that differs between SVM and VMX is behind this.
pub trait Backend: Sized + Send + 'static {
    /// The extension's name.
    const NAME: &'static str;

    /// What makes a core leave its guest.
    const KICK: Kick;

    /// Whether guests cannot be left to execute CPUID by themselves.
    const CPUID_ALWAYS_EXITS: bool;

    /// The format of its second-stage tables.
    type Tables: Format;

    /// What all virtual CPUs of one partition share: permission maps.
    type Shared: Send + Sync + 'static;

    /// Whether this core can do all that is required.
    ///
    /// # Errors
    /// Names the first thing that is missing.
    fn check() -> Result<(), Missing>;

    /// The text that a machine with this back end gives up after boot, and when it is sealed.
    fn given_up() -> &'static Table;

    /// What a person who trusts this CPU should know.
    fn caution() -> Option<&'static str>;

    /// The largest page of its second-stage tables.
    fn largest_page() -> PageSize;

    /// Turns the extension on, on this core, for good.
    ///
    /// # Errors
    /// No frame is left for what the CPU wants to keep in memory.
    fn enable() -> Result<(), OutOfFrames>;

    /// Makes what one partition's virtual CPUs share; everything is denied that
    /// `vdev::msr` does not call native.
    ///
    /// # Errors
    /// No frame is left.
    fn share(second_stage: HostPhysical, address_space: u16) -> Result<Self::Shared, OutOfFrames>;

    /// Makes one virtual CPU.
    ///
    /// # Errors
    /// No frame is left.
    fn new(shared: &'static Self::Shared, quick: Quick) -> Result<Self, OutOfFrames>;

    /// Puts the virtual CPU into the state in which it begins.
    fn reset(&mut self, start: Start);

    /// Runs the guest until its next exit that `quick.rs` does not answer; interrupts are held.
    fn run(&mut self) -> Exit;

    /// Keeps all interrupts from this core while it is in root mode, and kicks too: they wait
    /// for the guest. In force until [`Backend::release_interrupts`].
    fn hold_interrupts();

    /// Lets this core take interrupts in root mode again.
    fn release_interrupts();

    /// How many address spaces can be told apart, root mode's included.
    fn address_spaces() -> u32;

    /// The guest's general registers.
    fn registers(&mut self) -> &mut Registers;

    /// Where the guest's next instruction is.
    fn code_state(&mut self) -> CodeState;

    /// The guest's CR4, as the guest reads it.
    fn read_cr4(&mut self) -> u64;

    /// Sets the guest's EFER, whose bits have been checked.
    fn set_efer(&mut self, value: u64);

    /// Goes on behind the instruction that caused the exit, which is `bytes` long unless the
    /// hardware knows better.
    fn advance(&mut self, bytes: u64);

    /// Goes on at `rip`.
    fn jump(&mut self, rip: u64);

    /// Whether the guest will begin with an event that was injected.
    fn has_pending_event(&self) -> bool;

    /// Lets the guest begin with an exception.
    fn inject(&mut self, exception: Exception);

    /// Lets the guest begin with an NMI, now or as soon as it has ended the one before.
    fn inject_nmi(&mut self);
}
