//! The VMX back end (Intel SDM 325384-080, volume 3C, chapters 24 "Introduction to Virtual
//! Machine Extensions" to 31 "VMX Instruction Reference").
//!
//! A guest runs with extended page tables, without exits for external interrupts, NMIs, HLT or
//! the time stamp counter. From `hold_interrupts` to `release_interrupts` the interrupt flag is
//! clear in root mode; INIT, the kick, is always held back there.

mod enter;
mod exit;
mod features;
mod region;
mod state;

use addr::{HostPhysical, PageSize};
use spin::Once;
use vmx::{EptPointer, IoBitmaps, MsrBitmap};

use super::quick::Quick;
use super::{Backend, CodeState, Exception, Exit, Missing, Registers, Start, open_native};
use crate::cpu::core::{Kick, OutOfFrames};
use crate::host::frames;
use crate::host::given_up::Table;

use enter::Block;
pub use features::is_present;
use region::Region;

/// The permission maps, which are the same for every partition.
struct Permissions {
    msr: &'static MsrBitmap,
    io: &'static IoBitmaps,
}

static PERMISSIONS: Once<Permissions> = Once::new();

/// What all virtual CPUs of a partition share.
pub struct Shared {
    permissions: &'static Permissions,
    ept_pointer: EptPointer,
    address_space: u16,
}

/// One virtual CPU.
pub struct Vmx {
    block: Block,
    shared: &'static Shared,
    /// The length of the instruction that made the guest exit, where the CPU tells it.
    instruction_bytes: Option<u32>,
    /// Whether the next entry injects an event.
    has_pending_event: bool,
}

impl Backend for Vmx {
    const NAME: &'static str = "VMX";

    // It always makes a guest exit, and leaves NMIs to the guest.
    const KICK: Kick = Kick::Init;

    const CPUID_ALWAYS_EXITS: bool = true;

    type Tables = page_table::Extended;
    type Shared = Shared;

    fn check() -> Result<(), Missing> {
        features::check()
    }

    fn given_up() -> &'static Table {
        Table::for_vmx()
    }

    fn caution() -> Option<&'static str> {
        features::caution()
    }

    fn largest_page() -> PageSize {
        features::largest_page()
    }

    fn enable() -> Result<(), OutOfFrames> {
        features::enable()
    }

    fn share(second_stage: HostPhysical, address_space: u16) -> Result<Shared, OutOfFrames> {
        let permissions = PERMISSIONS.try_call_once(|| {
            let msr = frames::place(MsrBitmap::deny_all()).ok_or(OutOfFrames)?;
            open_native(msr);
            let io = frames::place(IoBitmaps::deny_all()).ok_or(OutOfFrames)?;
            Ok(Permissions { msr, io })
        })?;
        Ok(Shared {
            permissions,
            ept_pointer: EptPointer::new(second_stage),
            address_space,
        })
    }

    fn new(shared: &'static Shared, quick: Quick) -> Result<Self, OutOfFrames> {
        let block = Block {
            registers: Registers::default(),
            quick,
            region: Region::new()?,
        };
        Ok(Self {
            block,
            shared,
            instruction_bytes: None,
            has_pending_event: false,
        })
    }

    fn reset(&mut self, start: Start) {
        self.has_pending_event = false;
        self.instruction_bytes = None;
        self.block.registers = Registers::default();
        let mut vmcs = self.block.region.reload();
        state::configure(&mut vmcs, self.shared);
        state::reset(&mut vmcs, &mut self.block.registers, start);
        enter::flush_translations(self.shared.ept_pointer, self.shared.address_space);
    }

    fn run(&mut self) -> Exit {
        let entered = enter::run(&mut self.block);
        // What the hardware has taken over must not be injected again; it has cleared the field.
        self.has_pending_event = false;
        let mut vmcs = self.block.region.current();
        let (exit, instruction_bytes) = exit::decode(&mut vmcs, &self.block.registers, entered);
        self.instruction_bytes = instruction_bytes;
        exit
    }

    fn hold_interrupts() {
        enter::clear_interrupt_flag();
    }

    fn release_interrupts() {
        enter::set_interrupt_flag();
    }

    fn address_spaces() -> u32 {
        features::ADDRESS_SPACES
    }

    fn registers(&mut self) -> &mut Registers {
        &mut self.block.registers
    }

    fn code_state(&mut self) -> CodeState {
        state::code_state(&self.block.region.current())
    }

    fn read_cr4(&mut self) -> u64 {
        state::read_cr4(&self.block.region.current())
    }

    fn set_efer(&mut self, value: u64) {
        state::set_efer(&mut self.block.region.current(), value);
    }

    fn advance(&mut self, bytes: u64) {
        let bytes = self.instruction_bytes.map_or(bytes, u64::from);
        state::advance(&mut self.block.region.current(), bytes);
    }

    fn jump(&mut self, rip: u64) {
        state::jump(&mut self.block.region.current(), rip);
    }

    fn has_pending_event(&self) -> bool {
        self.has_pending_event
    }

    fn inject(&mut self, exception: Exception) {
        self.has_pending_event = true;
        state::inject(&mut self.block.region.current(), exception);
    }

    // One that came in root mode: the CPU had NMIs open, so the guest is not handling one.
    fn inject_nmi(&mut self) {
        self.has_pending_event = true;
        state::inject_nmi(&mut self.block.region.current());
    }
}
