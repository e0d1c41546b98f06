//! Into the guest and out again.

use core::arch::naked_asm;
use core::mem::offset_of;

use svm::{ExitCode, Vmcb};
use vdev::msr::X2APIC_ICR;

use super::super::Registers;
use super::super::quick::Quick;
use super::super::registers::{
    load_kept, load_scratch, restore_callee_saved, save_callee_saved, store_kept, store_scratch,
};
use super::state;

/// EXITINFO1 of an MSR exit: a write (APM volume 2, section 15.11 "MSR Intercepts").
const MSR_WRITE: u64 = 1;

/// What an entry and an exit exchange, so laid out that one address reaches all of it.
#[repr(C, align(4096))]
pub struct Block {
    /// The guest's control block.
    pub vmcb: Vmcb,
    /// The guest's registers that the VMCB has no place for. RAX and RSP are in the VMCB while
    /// the guest runs.
    pub registers: Registers,
    /// What answers the guest's interrupts.
    pub quick: Quick,
    unused: [u8; UNUSED_BYTES],
    /// Root mode's own FS, GS, TR, LDTR and system call registers while the guest runs: of the
    /// page that VMSAVE takes, it writes to the save area only.
    host: [u8; PAGE_BYTES - SAVE_AREA],
}

const PAGE_BYTES: usize = 4096;
/// Where the save area begins in the page that VMSAVE takes.
const SAVE_AREA: usize = offset_of!(Vmcb, state);
const UNUSED_BYTES: usize = SAVE_AREA - size_of::<Registers>() - size_of::<Quick>();

const _: () = {
    assert!(offset_of!(Block, registers) == PAGE_BYTES);
    assert!(offset_of!(Block, host) == PAGE_BYTES + SAVE_AREA);
    assert!(size_of::<Block>() == 2 * PAGE_BYTES);
};

impl Block {
    /// A block whose VMCB is all zeros.
    pub fn new(quick: Quick) -> Self {
        Self {
            vmcb: Vmcb::new(),
            registers: Registers::default(),
            quick,
            unused: [0; UNUSED_BYTES],
            host: [0; PAGE_BYTES - SAVE_AREA],
        }
    }

    /// The page for VMSAVE.
    fn host_state(&self) -> u64 {
        // It begins with the registers.
        (&raw const self.registers) as u64
    }
}

/// Runs the guest of `block` until its next exit that is not answered here.
pub fn run(block: &mut Block) {
    block.vmcb.state.rax = block.registers.rax;
    block.vmcb.state.rsp = block.registers.rsp;
    // SAFETY: the VMCB is one that `state.rs` has filled in, and virtual = physical; `save_host`
    // was here on this core; `enter` keeps every callee-saved register. The guest reaches no
    // memory of ours: its second-stage table maps its own only.
    unsafe { enter(block) };
    block.registers.rax = block.vmcb.state.rax;
    block.registers.rsp = block.vmcb.state.rsp;
}

/// Saves what VMLOAD brings back after each exit; on the core that will run the guest.
pub fn save_host(block: &Block) {
    let page = block.host_state();
    // SAFETY: the page is the block's, kept for this; SVM is enabled on this core.
    unsafe { core::arch::asm!("vmsave rax", in("rax") page, options(nostack)) };
}

/// Answers the exit if it is an interrupt for an own core, and gives the block back; else
/// `None`. See `quick.rs` for what may be done here.
extern "C" fn answer(block: &mut Block) -> Option<&mut Block> {
    let Vmcb { control, state } = &mut block.vmcb;
    let is_command = control.exit_code == ExitCode::MSR.0
        && control.exit_info_1 == MSR_WRITE
        && block.registers.rcx as u32 == X2APIC_ICR;
    let (edx, eax) = (block.registers.rdx as u32, state.rax as u32);
    if !is_command || !block.quick.send(edx, eax) {
        return None;
    }
    state::settle_entry(&mut block.vmcb);
    state::advance(&mut block.vmcb, 2);
    Some(block)
}

/// Clears the interrupt flag and the global one: interrupts and NMIs wait.
pub fn clear_global_interrupt_flag() {
    // SAFETY: SVM is enabled on every core that runs guests.
    unsafe { core::arch::asm!("cli", "clgi", options(nomem, nostack)) };
}

/// Sets the global interrupt flag: an NMI that has waited now arrives. Maskable interrupts
/// wait until the interrupt flag is set.
pub fn set_global_interrupt_flag() {
    // SAFETY: SVM is enabled on every core that runs guests; the IDT has a handler for NMIs.
    unsafe { core::arch::asm!("stgi", options(nomem, nostack)) };
}

/// Takes the NMI that made the guest exit. An intercepted NMI stays pending (APM volume 2,
/// section 15.13.3 "NMI Intercept"): the next entry would end at once, for ever.
pub fn take_nmi() {
    // SAFETY: as above; the interrupt flag is clear, so that nothing but NMIs arrives.
    unsafe { core::arch::asm!("stgi", "nop", "clgi", options(nomem, nostack)) };
}

/// VMRUN with all registers exchanged, again and again as long as `answer` has an answer.
///
/// VMSAVE and VMLOAD exchange FS, GS, TR, LDTR, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and
/// the SYSENTER registers (APM volume 2, section 15.5.2 "VMSAVE and VMLOAD Instructions").
/// GIF is clear and stays so: VMRUN sets it for the guest, the exit clears it.
///
/// # Safety
/// The block's VMCB is valid, and its page for VMSAVE has this core's state.
#[unsafe(naked)]
unsafe extern "C" fn enter(block: *mut Block) {
    naked_asm!(
        save_callee_saved!(),
        // The stack is now aligned for a call.
        "push rdi",
        "mov rax, rdi",
        "vmload rax",
        load_kept!("rax + {registers}"),
        "2:",
        load_scratch!("rax + {registers}"),
        "vmrun rax",
        // RAX is again what it was at VMRUN: the block's address.
        store_scratch!("rax + {registers}"),
        "mov [rax + {registers} + 56], rdi",
        "mov rdi, rax",
        "call {answer}",
        "test rax, rax",
        "jnz 2b",
        "pop rax",
        store_kept!("rax + {registers}"),
        "vmsave rax",
        "add rax, {registers}",
        "vmload rax",
        restore_callee_saved!(),
        "ret",
        registers = const offset_of!(Block, registers),
        answer = sym answer,
    )
}
