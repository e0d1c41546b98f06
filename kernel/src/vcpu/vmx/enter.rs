//! Into the guest and out again.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use vdev::msr::X2APIC_ICR;
use vmx::{EptPointer, ExitReason, Vmcs, field};

use super::super::Registers;
use super::super::quick::Quick;
use super::super::registers::{
    load_kept, load_scratch, restore_callee_saved, save_callee_saved, store_kept, store_scratch,
};
use super::region::Region;
use super::state;

/// How an attempt to enter the guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// The guest ran, or its state was refused: the exit reason tells.
    Exited,
    /// The instruction failed: the VM-instruction error tells.
    Failed,
}

/// What an entry and an exit exchange.
#[repr(C)]
pub struct Block {
    /// The guest's registers that the VMCS has no place for. RSP is in the VMCS.
    pub registers: Registers,
    /// What answers the guest's interrupts.
    pub quick: Quick,
    /// The VMCS.
    pub region: Region,
}

const _: () = assert!(offset_of!(Block, registers) == 0);

/// Runs the guest of `block` until its next exit that is not answered here.
pub fn run(block: &mut Block) -> Entered {
    let is_launched = block.region.is_launched().into();
    // Makes it so.
    let _ = block.region.current();
    // SAFETY: a VMCS that `state.rs` has filled in is current; `enter` keeps every
    // callee-saved register. The guest reaches no memory of ours: its extended page tables map
    // its own only.
    let failed = unsafe { enter(block, is_launched) };
    if failed == 0 {
        Entered::Exited
    } else {
        Entered::Failed
    }
}

/// Forgets all translations of the guest (SDM, section 29.4.3.4 "Guidelines for Use of the
/// INVEPT Instruction" and section 29.4.3.3 "… INVVPID Instruction").
pub fn flush_translations(ept_pointer: EptPointer, address_space: u16) {
    const SINGLE_CONTEXT: u64 = 1;
    let descriptor = [ept_pointer.0, 0];
    // SAFETY: `check` has found this type of INVEPT; it changes no memory.
    unsafe {
        asm!("invept {}, [{}]", in(reg) SINGLE_CONTEXT, in(reg) &raw const descriptor,
            options(nostack));
    };
    let descriptor = [u64::from(address_space), 0];
    // SAFETY: `check` has found this type of INVVPID; it changes no memory.
    unsafe {
        asm!("invvpid {}, [{}]", in(reg) SINGLE_CONTEXT, in(reg) &raw const descriptor,
            options(nostack));
    };
}

/// Answers the exit if it is an interrupt for an own core; whether it was. See `quick.rs` for
/// what may be done here.
extern "C" fn answer(block: &mut Block) -> bool {
    let mut vmcs = block.region.current();
    let Registers { rax, rcx, rdx, .. } = block.registers;
    let is_command =
        ExitReason(vmcs.read(field::EXIT_REASON)) == ExitReason::WRMSR && rcx as u32 == X2APIC_ICR;
    let answered = is_command && block.quick.send(rdx as u32, rax as u32);
    if answered {
        let length = vmcs.read(field::EXIT_INSTRUCTION_LENGTH);
        state::advance(&mut vmcs, length.into());
    }
    answered
}

/// Clears the interrupt flag: maskable interrupts wait. INIT always waits for a guest here.
pub fn clear_interrupt_flag() {
    x86_64::instructions::interrupts::disable();
}

/// Sets the interrupt flag.
pub fn set_interrupt_flag() {
    x86_64::instructions::interrupts::enable();
}

/// Where the CPU goes on after an exit: the label inside [`enter`].
pub fn exit_point() -> u64 {
    unsafe extern "C" {
        static vmx_exit_point: u8;
    }
    (&raw const vmx_exit_point) as u64
}

/// VMLAUNCH or VMRESUME with all registers exchanged, again and again as long as `answer` has an
/// answer; 0 after an exit, 1 if the instruction failed.
///
/// The interrupt flag is clear, and an exit leaves it so (SDM, section 28.5.3 "Loading Host
/// RIP, RSP, RFLAGS, and SSP"). STAR, LSTAR, CSTAR, SFMASK, KernelGSBase, TSC_AUX, CR2, DR0 to
/// DR3, DR6 and the extended state stay the guest's: the compiled code of root mode touches
/// none of them.
///
/// # Safety
/// A VMCS with valid host state is current, launched if `is_launched` is not 0.
#[unsafe(naked)]
unsafe extern "C" fn enter(block: *mut Block, is_launched: u32) -> u64 {
    naked_asm!(
        save_callee_saved!(),
        // The stack is now aligned for a call, and will be so after each exit.
        "push rdi",
        "mov eax, {host_rsp}",
        "vmwrite rax, rsp",
        "test esi, esi",
        "mov rax, [rdi]",
        load_kept!("rdi"),
        load_scratch!("rdi"),
        // The zero flag is still that of the test.
        "jnz 2f",
        "vmlaunch",
        "jmp 3f",
        "2:",
        "vmresume",
        "3:",
        // Not entered: the block's address is of no more use.
        "pop rdi",
        "mov eax, 1",
        "jmp 5f",
        ".global vmx_exit_point",
        "vmx_exit_point:",
        "xchg rdi, [rsp]",
        "mov [rdi], rax",
        store_scratch!("rdi"),
        "mov rcx, [rsp]",
        "mov [rdi + 56], rcx",
        "mov [rsp], rdi",
        "call {answer}",
        "mov rdi, [rsp]",
        "test al, al",
        "jz 4f",
        "mov rax, [rdi]",
        load_scratch!("rdi"),
        "jmp 2b",
        "4:",
        store_kept!("rdi"),
        "pop rdi",
        "xor eax, eax",
        "5:",
        restore_callee_saved!(),
        "ret",
        host_rsp = const HOST_RSP,
        answer = sym answer,
    )
}

/// The encoding of the field HOST_RSP.
const HOST_RSP: u32 = vmx::field::HOST_RSP.encoding();
