//! What Bulkhead writes into a VMCS: the controls, the state in which a guest begins, root
//! mode's own state, and what is injected.

use core::arch::asm;

use vmx::{
    BLOCKING_BY_MOV_SS, BLOCKING_BY_STI, CR0_HOST_OWNED, CR4_HOST_OWNED, Controls, EntryControls,
    EventInjection, Vmcs, exit_qualification, field, guest_state,
};
use x86_64::instructions::segmentation::{CS, DS, SS, Segment as _};
use x86_64::instructions::tables::{sgdt, sidt};
use x86_64::registers::control::{Cr0, Cr3, Cr4};
use x86_64::registers::model_specific::{Efer, GsBase, Msr};

use super::super::{CodeState, Exception, Registers, Start};
use super::region::Current;
use super::{Shared, enter, features};
use crate::cpu::core::Core;

/// The vector of the machine-check exception.
pub const MACHINE_CHECK: u8 = 18;
/// The exceptions that exit, by vector.
const EXCEPTIONS: u32 =
    1 << MACHINE_CHECK | 1 << Exception::Debug.vector() | 1 << Exception::AlignmentCheck.vector();
const EFER_LMA: u64 = 1 << 10;
const IA32_PAT: u32 = 0x277;

/// Fills in the controls: deny first, then what `vdev` opened in the shared maps.
///
/// No exit, on purpose: external interrupts and NMIs (the exitless recipe), HLT, PAUSE, RDTSC,
/// INVLPG, control and debug registers, WBINVD. XSETBV, CPUID, INVD and the instructions of
/// VMX always exit.
pub fn configure(vmcs: &mut Current<'_>, shared: &Shared) {
    // `check` has resolved them on this core; without them VM entry fails, and says so.
    if let Some(controls) = features::controls() {
        write_controls(vmcs, &controls);
    }
    vmcs.write(field::EXCEPTION_BITMAP, EXCEPTIONS);
    vmcs.write(field::XSS_EXITING_BITMAP, 0);
    let io_bitmaps = (&raw const *shared.permissions.io) as u64;
    vmcs.write(field::IO_BITMAP_A, io_bitmaps);
    vmcs.write(
        field::IO_BITMAP_B,
        io_bitmaps.wrapping_add(vmx::IO_BITMAP_B_OFFSET),
    );
    vmcs.write(
        field::MSR_BITMAP,
        (&raw const *shared.permissions.msr) as u64,
    );
    vmcs.write(field::VIRTUAL_PROCESSOR_IDENTIFIER, shared.address_space);
    vmcs.write(field::EPT_POINTER, shared.ept_pointer.0);
    for count in [
        field::CR3_TARGET_COUNT,
        field::EXIT_MSR_STORE_COUNT,
        field::EXIT_MSR_LOAD_COUNT,
        field::ENTRY_MSR_LOAD_COUNT,
    ] {
        vmcs.write(count, 0);
    }
    write_host_state(vmcs);
}

fn write_controls(vmcs: &mut Current<'_>, controls: &Controls) {
    vmcs.write(field::PIN_BASED_CONTROLS, controls.pin_based.0);
    vmcs.write(field::PROCESSOR_BASED_CONTROLS, controls.processor_based.0);
    vmcs.write(field::SECONDARY_CONTROLS, controls.secondary.0);
    vmcs.write(field::EXIT_CONTROLS, controls.exit.0);
    vmcs.write(field::ENTRY_CONTROLS, controls.entry.0);
}

/// Root mode's state after an exit: this core's own, as it is now. The limits of GDTR and IDTR
/// become 64 KiB (SDM, section 28.5.2 "Loading Host Segment and Descriptor-Table Registers"):
/// root mode loads no selector but those of `cpu/descriptors.rs`.
fn write_host_state(vmcs: &mut Current<'_>) {
    vmcs.write(field::HOST_CR0, Cr0::read_raw());
    vmcs.write(field::HOST_CR3, Cr3::read_raw().0.start_address().as_u64());
    vmcs.write(field::HOST_CR4, Cr4::read_raw());
    vmcs.write(field::HOST_EFER, Efer::read_raw());
    // SAFETY: every CPU with VMX has the register; reading it has no effect.
    vmcs.write(field::HOST_PAT, unsafe { Msr::new(IA32_PAT).read() });
    vmcs.write(field::HOST_CS_SELECTOR, CS::get_reg().0);
    vmcs.write(field::HOST_SS_SELECTOR, SS::get_reg().0);
    let data = DS::get_reg().0;
    vmcs.write(field::HOST_DS_SELECTOR, data);
    vmcs.write(field::HOST_ES_SELECTOR, data);
    vmcs.write(field::HOST_FS_SELECTOR, 0);
    vmcs.write(field::HOST_GS_SELECTOR, 0);
    vmcs.write(field::HOST_FS_BASE, 0);
    vmcs.write(field::HOST_GS_BASE, GsBase::read().as_u64());
    if let Some(core) = Core::current() {
        let (selector, base) = core.descriptors.task();
        vmcs.write(field::HOST_TR_SELECTOR, selector.0);
        vmcs.write(field::HOST_TR_BASE, base.as_u64());
    }
    vmcs.write(field::HOST_GDTR_BASE, sgdt().base.as_u64());
    vmcs.write(field::HOST_IDTR_BASE, sidt().base.as_u64());
    vmcs.write(field::HOST_SYSENTER_CS, 0);
    vmcs.write(field::HOST_SYSENTER_ESP, 0);
    vmcs.write(field::HOST_SYSENTER_EIP, 0);
    vmcs.write(field::HOST_RIP, enter::exit_point());
}

/// Puts the virtual CPU into the state in which it begins.
pub fn reset(vmcs: &mut Current<'_>, registers: &mut Registers, start: Start) {
    let state = start.state();
    guest_state::begin(vmcs, &state, &features::capabilities());
    // A guest that never touches CR0.NE or CR4 costs no exit for them.
    vmcs.write(field::CR0_GUEST_HOST_MASK, CR0_HOST_OWNED);
    vmcs.write(field::CR0_READ_SHADOW, state.cr0 | CR0_HOST_OWNED);
    vmcs.write(field::CR4_GUEST_HOST_MASK, CR4_HOST_OWNED);
    vmcs.write(field::CR4_READ_SHADOW, 0);
    vmcs.write(field::ENTRY_INTERRUPTION_INFORMATION, 0);
    if state.efer & EFER_LMA != 0 {
        let controls = EntryControls(vmcs.read(field::ENTRY_CONTROLS));
        let controls = controls.with(EntryControls::IA_32E_MODE_GUEST);
        vmcs.write(field::ENTRY_CONTROLS, controls.0);
    }
    registers.rbx = state.rbx;
    registers.rsi = state.rsi;
    write_dr6(state.dr6);
    clear_cr2();
}

/// The VMCS has no DR6: the guest's stays in the register.
fn write_dr6(value: u64) {
    // SAFETY: DR6 only tells of debug exceptions, which root mode does not use.
    unsafe { asm!("mov dr6, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

/// Nor has it CR2.
fn clear_cr2() {
    // SAFETY: CR2 only tells of page faults; root mode's end in a crash record.
    unsafe { asm!("mov cr2, {}", in(reg) 0_u64, options(nomem, nostack, preserves_flags)) };
}

/// Whether the guest is in IA-32e mode: the CPU keeps the control up to date.
fn is_long(vmcs: &Current<'_>) -> bool {
    let controls = EntryControls(vmcs.read(field::ENTRY_CONTROLS));
    controls.has(EntryControls::IA_32E_MODE_GUEST)
}

/// Where the next instruction is and how it is decoded.
pub fn code_state(vmcs: &Current<'_>) -> CodeState {
    let code = field::GUEST_CS.load(vmcs);
    CodeState {
        rip: vmcs.read(field::GUEST_RIP),
        rflags: vmcs.read(field::GUEST_RFLAGS),
        code_base: code.base,
        data_base: field::GUEST_ES.load(vmcs).base,
        code_long: code.is_long() && is_long(vmcs),
        code_default_32: code.is_default_32(),
        cr0: vmcs.read(field::GUEST_CR0),
        cr3: vmcs.read(field::GUEST_CR3),
        cr4: read_cr4(vmcs),
        efer: vmcs.read(field::GUEST_EFER),
    }
}

/// CR4 without the bits that guests see clear.
pub fn read_cr4(vmcs: &Current<'_>) -> u64 {
    vmcs.read(field::GUEST_CR4) & !CR4_HOST_OWNED
}

/// Sets EFER; LMA, which the entry control mirrors, does not change by a write.
pub fn set_efer(vmcs: &mut Current<'_>, value: u64) {
    vmcs.write(field::GUEST_EFER, value);
}

/// Goes on `bytes` further.
pub fn advance(vmcs: &mut Current<'_>, bytes: u64) {
    jump(vmcs, next_rip(vmcs, bytes));
}

/// Where the guest goes on behind an instruction of `bytes` bytes. Outside 64-bit mode that
/// begins anew at 4 GiB, where VM entry refuses to go on (SDM, section 27.3.1.4 "Checks on Guest
/// RIP, RFLAGS, and SSP").
pub fn next_rip(vmcs: &Current<'_>, bytes: u64) -> u64 {
    let rip = vmcs.read(field::GUEST_RIP);
    let next = rip.wrapping_add(bytes);
    // The mode is worth a look only where it matters.
    let crosses = (next ^ rip) >> 32 != 0;
    if crosses && !(is_long(vmcs) && field::GUEST_CS.load(vmcs).is_long()) {
        next & 0xffff_ffff
    } else {
        next
    }
}

/// Goes on at `rip`; the shadow of a STI or MOV SS before the instruction ends with it.
pub fn jump(vmcs: &mut Current<'_>, rip: u64) {
    vmcs.write(field::GUEST_RIP, rip);
    end_shadow(vmcs);
}

fn end_shadow(vmcs: &mut Current<'_>) {
    let blocking = vmcs.read(field::GUEST_INTERRUPTIBILITY);
    let shadow = BLOCKING_BY_STI | BLOCKING_BY_MOV_SS;
    if blocking & shadow != 0 {
        vmcs.write(field::GUEST_INTERRUPTIBILITY, blocking & !shadow);
    }
}

/// Does to DR6 and DR7 what a debug exception does that is delivered, but neither one that exits
/// nor one that is injected (SDM, section 28.1 "Architectural State Before a VM Exit", and section
/// 27.6.1 "Vectored-Event Injection").
pub fn settle_debug_exception(vmcs: &mut Current<'_>) {
    let before: u64;
    // SAFETY: reading DR6 has no effect: an exit has cleared DR7.GD.
    unsafe { asm!("mov {}, dr6", out(reg) before, options(nomem, nostack, preserves_flags)) };
    let qualification = vmcs.read(field::EXIT_QUALIFICATION);
    write_dr6(exit_qualification::debug_status(qualification, before));
    let control = exit_qualification::debug_control(vmcs.read(field::GUEST_DR7));
    vmcs.write(field::GUEST_DR7, control);
}

/// Lets the guest begin with an exception. Its delivery ends a shadow; one that stayed would have
/// to be told of a single step that is pending (SDM, section 27.3.1.5 "Checks on Guest Non-Register
/// State"), which a debug exception that exits has taken back.
pub fn inject(vmcs: &mut Current<'_>, exception: Exception) {
    end_shadow(vmcs);
    let error_code = exception.error_code(vmcs.read(field::GUEST_CR0));
    write_event(
        vmcs,
        EventInjection::exception(exception.vector(), error_code),
    );
}

/// Lets the guest begin with an NMI. No CPU injects one in the shadow of a MOV SS, and some
/// not in that of a STI (SDM, section 27.3.1.5 "Checks on Guest Non-Register State"): the shadow
/// ends.
pub fn inject_nmi(vmcs: &mut Current<'_>) {
    end_shadow(vmcs);
    write_event(vmcs, EventInjection::nmi());
}

fn write_event(vmcs: &mut Current<'_>, event: EventInjection) {
    vmcs.write(field::ENTRY_INTERRUPTION_INFORMATION, event.information);
    vmcs.write(field::ENTRY_EXCEPTION_ERROR_CODE, event.error_code);
}
