//! Into the guest and out again.

use core::arch::naked_asm;

use addr::HostPhysical;
use svm::Vmcb;

use super::super::Registers;

/// Runs the guest of `vmcb` until its next exit, with the general registers of `registers`;
/// RAX and RSP are in the VMCB.
pub fn run(vmcb: &mut Vmcb, host_state: HostPhysical, registers: &mut Registers) {
    vmcb.state.rax = registers.rax;
    vmcb.state.rsp = registers.rsp;
    let guest = (&raw mut *vmcb) as u64;
    // SAFETY: `guest` is a VMCB that `state.rs` has filled in, and virtual = physical;
    // `host_state` is a page for VMSAVE; `enter` keeps every callee-saved register. The guest
    // reaches no memory of ours: its second-stage table maps its own only.
    unsafe { enter(guest, host_state.as_u64(), registers) };
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
unsafe extern "C" fn enter(guest: u64, host: u64, registers: *mut Registers) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdx",
        "push rsi",
        "mov rax, rdi",
        "vmload rax",
        "push rax",
        "mov rcx, [rdx + 8]",
        "mov rbx, [rdx + 24]",
        "mov rbp, [rdx + 40]",
        "mov rsi, [rdx + 48]",
        "mov rdi, [rdx + 56]",
        "mov r8, [rdx + 64]",
        "mov r9, [rdx + 72]",
        "mov r10, [rdx + 80]",
        "mov r11, [rdx + 88]",
        "mov r12, [rdx + 96]",
        "mov r13, [rdx + 104]",
        "mov r14, [rdx + 112]",
        "mov r15, [rdx + 120]",
        "mov rdx, [rdx + 16]",
        "vmrun rax",
        // RAX is again what it was at VMRUN: the VMCB's address.
        "vmsave rax",
        "mov rax, [rsp + 16]",
        "mov [rax + 8], rcx",
        "mov [rax + 16], rdx",
        "mov [rax + 24], rbx",
        "mov [rax + 40], rbp",
        "mov [rax + 48], rsi",
        "mov [rax + 56], rdi",
        "mov [rax + 64], r8",
        "mov [rax + 72], r9",
        "mov [rax + 80], r10",
        "mov [rax + 88], r11",
        "mov [rax + 96], r12",
        "mov [rax + 104], r13",
        "mov [rax + 112], r14",
        "mov [rax + 120], r15",
        "mov rax, [rsp + 8]",
        "vmload rax",
        "add rsp, 24",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}
