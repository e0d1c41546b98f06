//! Virtual CPUs: the seam between what is the same on every machine and the two back ends.
//!
//! Key types: [`Backend`], implemented once for SVM and once for VMX and chosen once at
//! boot; [`Exit`], a neutral and total account of why the guest stopped running; and
//! [`Start`], the states in which a virtual CPU can begin. What to do about an exit is
//! decided in `dispatch.rs`, once for both.

pub mod counters;
pub mod dispatch;
pub mod instruction;
mod leftovers;
pub mod seat;
pub mod svm;

use core::fmt;

use addr::{GuestPhysical, HostPhysical};
use guest_image::Entry;
use page_table::Format;
use vdev::exit_reason::ExitReason;

use crate::cpu::core::OutOfFrames;

/// The guest's general registers, which no back end's hardware saves by itself.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Registers {
    pub rax: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rbx: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
}

impl Registers {
    /// The register that instructions encode as `number`, 0 to 15; 0 for any other.
    pub fn read(&mut self, number: u8) -> u64 {
        self.find(number).map_or(0, |register| *register)
    }

    /// Sets the register that instructions encode as `number`.
    pub fn write(&mut self, number: u8, value: u64) {
        if let Some(register) = self.find(number) {
            *register = value;
        }
    }

    fn find(&mut self, number: u8) -> Option<&mut u64> {
        Some(match number {
            0 => &mut self.rax,
            1 => &mut self.rcx,
            2 => &mut self.rdx,
            3 => &mut self.rbx,
            4 => &mut self.rsp,
            5 => &mut self.rbp,
            6 => &mut self.rsi,
            7 => &mut self.rdi,
            8 => &mut self.r8,
            9 => &mut self.r9,
            10 => &mut self.r10,
            11 => &mut self.r11,
            12 => &mut self.r12,
            13 => &mut self.r13,
            14 => &mut self.r14,
            15 => &mut self.r15,
            _ => return None,
        })
    }
}

/// Which way data goes, seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The guest reads.
    In,
    /// The guest writes.
    Out,
}

/// An access to an I/O port that was not the guest's to make by itself.
#[derive(Debug, Clone, Copy)]
pub struct PortAccess {
    /// The first port.
    pub port: u16,
    /// 1, 2 or 4.
    pub bytes: u8,
    /// Which way.
    pub direction: Direction,
    /// INS or OUTS.
    pub string: bool,
    /// With a REP prefix.
    pub repeat: bool,
    /// The address of the instruction that follows.
    pub next_rip: u64,
}

/// An access that the second-stage table does not allow.
#[derive(Debug, Clone, Copy)]
pub struct MemoryFault {
    /// Where the guest took the memory to be.
    pub address: GuestPhysical,
    /// Whether it wanted to execute what is there.
    pub fetch: bool,
    /// Whether the CPU was walking the guest's own page tables.
    pub during_walk: bool,
}

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
    /// A non-maskable interrupt arrived.
    NonMaskableInterrupt,
    /// The guest ended the handling of an NMI that was injected.
    InterruptReturn,
    /// An instruction that no guest may use; it gets `#UD`.
    Privileged,
    /// INVD, which is answered as WBINVD.
    InvalidateCaches,
    /// Triple fault.
    Shutdown,
    /// The hardware reports an error of its own while the guest runs.
    MachineCheck,
    /// The delivery of an event to the guest hit a second-stage violation.
    DeliveryFault,
    /// The CPU refused to enter the guest.
    EntryFailure { code: u64 },
    /// Anything else.
    Unknown { code: u64 },
}

impl Exit {
    /// How the exit is counted.
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
            Self::NonMaskableInterrupt => ExitReason::Nmi,
            Self::Privileged | Self::InvalidateCaches => ExitReason::PrivilegedInstruction,
            Self::Shutdown => ExitReason::Shutdown,
            Self::EntryFailure { .. } => ExitReason::EntryFailure,
            Self::InterruptReturn
            | Self::DeliveryFault
            | Self::MachineCheck
            | Self::Unknown { .. } => ExitReason::Other,
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

/// An exception for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// `#UD`.
    InvalidOpcode,
    /// `#GP(0)`.
    GeneralProtection,
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
#[derive(Debug, Clone, Copy)]
pub struct Missing {
    /// The feature's name in the manuals.
    pub what: &'static str,
    /// What a person can do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the CPU has no {}; {}", self.what, self.remedy)
    }
}

/// A CPU's way to run guests. All that differs between SVM and VMX is behind this.
pub trait Backend: Sized + Send + 'static {
    /// The extension's name.
    const NAME: &'static str;

    /// The format of its second-stage tables.
    type Tables: Format;

    /// What all virtual CPUs of one partition share: permission maps.
    type Shared: Send + Sync + 'static;

    /// Whether this core can do all that is required.
    ///
    /// # Errors
    /// Names the first thing that is missing.
    fn check() -> Result<(), Missing>;

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
    fn new(shared: &'static Self::Shared) -> Result<Self, OutOfFrames>;

    /// Puts the virtual CPU into the state in which it begins.
    fn reset(&mut self, start: Start);

    /// Runs the guest until its next exit; interrupts are held.
    fn run(&mut self) -> Exit;

    /// Keeps all interrupts, NMIs too, from this core while it is in root mode: they wait for
    /// the guest. In force until [`Backend::release_interrupts`].
    fn hold_interrupts();

    /// Lets this core take interrupts in root mode again.
    fn release_interrupts();

    /// Takes the NMI that made the guest exit, while interrupts are held. Its handler in root
    /// mode does nothing then: what is asked is in the mailbox.
    fn take_nmi();

    /// How many address spaces can be told apart, root mode's included.
    fn address_spaces() -> u32;

    /// The guest's general registers.
    fn registers(&mut self) -> &mut Registers;

    /// Where the guest's next instruction is.
    fn code_state(&self) -> CodeState;

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

    /// The guest has ended the handling of an NMI.
    fn end_nmi(&mut self);
}
