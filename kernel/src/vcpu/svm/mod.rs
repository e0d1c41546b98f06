//! The SVM back end (AMD64 Architecture Programmer's Manual, volume 2, 24593-3.42, chapter
//! 15 "Secure Virtual Machine").
//!
//! A guest runs with nested paging, without interception of external interrupts, HLT or the
//! time stamp counter. From `hold_interrupts` to `release_interrupts` the global interrupt
//! flag is clear in root mode: what arrives meanwhile waits for the guest.

mod enter;
mod exit;
mod features;
mod state;

use addr::{HostPhysical, PageSize};
use spin::Once;
use svm::{ExitCode, IoPermissionMap, MsrPermissionMap};

use super::quick::Quick;
use super::{Backend, CodeState, Exception, Exit, Missing, Registers, Start, open_native};
use crate::cpu::core::{Kick, OutOfFrames};
use crate::host::given_up::Table;
use crate::host::{frames, paging};
use enter::Block;

pub use features::is_present;

/// The permission maps, which are the same for every partition.
struct Permissions {
    msr: &'static MsrPermissionMap,
    io: &'static IoPermissionMap,
}

static PERMISSIONS: Once<Permissions> = Once::new();

/// What all virtual CPUs of a partition share.
pub struct Shared {
    permissions: &'static Permissions,
    second_stage: HostPhysical,
    address_space: u16,
}

/// One virtual CPU.
pub struct Svm {
    block: &'static mut Block,
    nmi: Nmi,
}

/// Where a virtual CPU is with NMIs, which this hardware does not track by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nmi {
    /// None is being handled.
    Open,
    /// One is being handled: its IRET is intercepted.
    Handled,
    /// One is being handled and another one waits for its end.
    HandledAndPending,
}

impl Backend for Svm {
    const NAME: &'static str = "SVM";

    // INIT would reset the core before it can exit in QEMU.
    const KICK: Kick = Kick::NonMaskableInterrupt;

    const CPUID_ALWAYS_EXITS: bool = false;

    type Tables = page_table::Nested;
    type Shared = Shared;

    fn check() -> Result<(), Missing> {
        features::check()
    }

    fn given_up() -> &'static Table {
        Table::for_svm()
    }

    fn caution() -> Option<&'static str> {
        None
    }

    // Nested tables are in the format of the CPU's own.
    fn largest_page() -> PageSize {
        paging::largest_page()
    }

    fn enable() -> Result<(), OutOfFrames> {
        features::enable()
    }

    fn share(second_stage: HostPhysical, address_space: u16) -> Result<Shared, OutOfFrames> {
        let permissions = PERMISSIONS.try_call_once(|| {
            let msr = frames::place(MsrPermissionMap::deny_all()).ok_or(OutOfFrames)?;
            open_native(msr);
            let io = frames::place(IoPermissionMap::deny_all()).ok_or(OutOfFrames)?;
            Ok(Permissions { msr, io })
        })?;
        Ok(Shared {
            permissions,
            second_stage,
            address_space,
        })
    }

    fn new(shared: &'static Shared, quick: Quick) -> Result<Self, OutOfFrames> {
        let block = frames::place(Block::new(quick)).ok_or(OutOfFrames)?;
        state::configure(&mut block.vmcb, shared);
        Ok(Self {
            block,
            nmi: Nmi::Open,
        })
    }

    fn reset(&mut self, start: Start) {
        enter::save_host(self.block);
        self.nmi = Nmi::Open;
        self.block.registers = Registers::default();
        state::reset(&mut self.block.vmcb, &mut self.block.registers, start);
    }

    fn run(&mut self) -> Exit {
        enter::run(self.block);
        state::settle_entry(&mut self.block.vmcb);
        match ExitCode(self.block.vmcb.control.exit_code) {
            ExitCode::NMI => enter::take_nmi(),
            ExitCode::IRET => self.end_nmi(),
            _ => {}
        }
        exit::decode(&self.block.vmcb, &self.block.registers)
    }

    fn hold_interrupts() {
        enter::clear_global_interrupt_flag();
    }

    fn release_interrupts() {
        enter::set_global_interrupt_flag();
    }

    fn address_spaces() -> u32 {
        features::capabilities().address_spaces
    }

    fn registers(&mut self) -> &mut Registers {
        &mut self.block.registers
    }

    fn code_state(&mut self) -> CodeState {
        state::code_state(&self.block.vmcb)
    }

    fn read_cr4(&mut self) -> u64 {
        self.block.vmcb.state.cr4
    }

    fn set_efer(&mut self, value: u64) {
        self.block.vmcb.state.efer = value | svm::EFER_SVME;
    }

    fn advance(&mut self, bytes: u64) {
        state::advance(&mut self.block.vmcb, bytes);
    }

    fn jump(&mut self, rip: u64) {
        state::jump(&mut self.block.vmcb, rip);
    }

    fn has_pending_event(&self) -> bool {
        self.block.vmcb.control.event_injection.is_valid()
    }

    fn inject(&mut self, exception: Exception) {
        state::inject(&mut self.block.vmcb, exception);
    }

    fn inject_nmi(&mut self) {
        self.nmi = match self.nmi {
            Nmi::Open => {
                state::inject_nmi(&mut self.block.vmcb);
                Nmi::Handled
            }
            Nmi::Handled | Nmi::HandledAndPending => Nmi::HandledAndPending,
        };
    }
}

impl Svm {
    /// The guest has ended the handling of an NMI.
    fn end_nmi(&mut self) {
        let pending = self.nmi == Nmi::HandledAndPending;
        self.nmi = Nmi::Open;
        state::stop_watching_nmi(&mut self.block.vmcb);
        if pending {
            self.inject_nmi();
        }
    }
}
