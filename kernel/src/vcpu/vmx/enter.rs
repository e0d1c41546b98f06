//! Into the guest and out again.

use core::arch::{asm, naked_asm};

use vmx::EptPointer;

use super::super::Registers;
use super::super::registers::{
    load_registers, restore_callee_saved, save_callee_saved, store_registers,
};
use super::region::Region;

/// How an attempt to enter the guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// The guest ran, or its state was refused: the exit reason tells.
    Exited,
    /// The instruction failed: the VM-instruction error tells.
    Failed,
}

/// Runs the guest of `region` until its next exit, with the general registers of `registers`;
/// RSP is in the VMCS.
pub fn run(region: &mut Region, registers: &mut Registers) -> Entered {
    let is_launched = region.is_launched().into();
    let _current = region.current();
    // SAFETY: a VMCS that `state.rs` has filled in is current; `enter` keeps every
    // callee-saved register. The guest reaches no memory of ours: its extended page tables map
    // its own only.
    let failed = unsafe { enter(registers, is_launched) };
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

/// VMLAUNCH or VMRESUME with all registers exchanged; 0 after an exit, 1 if the instruction
/// failed.
///
/// The interrupt flag is clear, and an exit leaves it so (SDM, section 28.5.3 "Loading Host
/// RIP, RSP, RFLAGS, and SSP"). STAR, LSTAR, CSTAR, SFMASK, KernelGSBase, TSC_AUX, CR2, DR0 to
/// DR3, DR6 and the extended state stay the guest's: the compiled code of root mode touches
/// none of them.
///
/// # Safety
/// A VMCS with valid host state is current, launched if `is_launched` is not 0.
#[unsafe(naked)]
unsafe extern "C" fn enter(registers: *mut Registers, is_launched: u32) -> u64 {
    naked_asm!(
        save_callee_saved!(),
        "push rdi",
        "mov eax, {host_rsp}",
        "vmwrite rax, rsp",
        "test esi, esi",
        "mov rax, [rdi]",
        load_registers!(),
        // The zero flag is still that of the test.
        "jnz 2f",
        "vmlaunch",
        "jmp 3f",
        "2:",
        "vmresume",
        "3:",
        // Not entered: the registers' address is of no more use.
        "pop rdi",
        "mov eax, 1",
        "jmp 4f",
        ".global vmx_exit_point",
        "vmx_exit_point:",
        store_registers!(),
        "mov [rdi], rax",
        "xor eax, eax",
        "4:",
        restore_callee_saved!(),
        "ret",
        host_rsp = const HOST_RSP,
    )
}

/// The encoding of the field HOST_RSP.
const HOST_RSP: u32 = vmx::field::HOST_RSP.encoding();
