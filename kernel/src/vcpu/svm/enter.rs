//! Into the guest and out again.

use core::arch::naked_asm;

use addr::HostPhysical;
use svm::Vmcb;

use super::super::Registers;
use super::super::registers::{
    load_registers, restore_callee_saved, save_callee_saved, store_registers,
};

/// Runs the guest of `vmcb` until its next exit, with the general registers of `registers`;
/// RAX and RSP are in the VMCB.
pub fn run(vmcb: &mut Vmcb, host_state: HostPhysical, registers: &mut Registers) {
    vmcb.state.rax = registers.rax;
    vmcb.state.rsp = registers.rsp;
    let guest = (&raw mut *vmcb) as u64;
    // SAFETY: `guest` is a VMCB that `state.rs` has filled in, and virtual = physical;
    // `host_state` is a page for VMSAVE; `enter` keeps every callee-saved register. The guest
    // reaches no memory of ours: its second-stage table maps its own only.
    unsafe { enter(registers, guest, host_state.as_u64()) };
    registers.rax = vmcb.state.rax;
    registers.rsp = vmcb.state.rsp;
}

/// Saves what VMLOAD brings back after each exit; on the core that will run the guest.
pub fn save_host(host_state: HostPhysical) {
    let page = host_state.as_u64();
    // SAFETY: `host_state` is a page taken for this; SVM is enabled on this core.
    unsafe { core::arch::asm!("vmsave rax", in("rax") page, options(nostack)) };
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

/// VMRUN with all registers exchanged.
///
/// VMSAVE and VMLOAD exchange FS, GS, TR, LDTR, KernelGSBase, STAR, LSTAR, CSTAR, SFMASK and
/// the SYSENTER registers (APM volume 2, section 15.5.2 "VMSAVE and VMLOAD Instructions").
/// GIF is clear and stays so: VMRUN sets it for the guest, the exit clears it.
///
/// # Safety
/// `guest` and `host` are the physical addresses of a valid VMCB and of a page for VMSAVE.
#[unsafe(naked)]
unsafe extern "C" fn enter(registers: *mut Registers, guest: u64, host: u64) {
    naked_asm!(
        save_callee_saved!(),
        "push rdx",
        "push rdi",
        "mov rax, rsi",
        "vmload rax",
        load_registers!(),
        "vmrun rax",
        // RAX is again what it was at VMRUN: the VMCB's address.
        "vmsave rax",
        store_registers!(),
        "pop rax",
        "vmload rax",
        restore_callee_saved!(),
        "ret",
    )
}
