//! Starts other cores by INIT and SIPI (AMD APM 24593-3.42, volume 2, section 15.27.8
//! and Intel SDM 325384-080, volume 3A, section 9.4 "Multiple-Processor (MP) Initialization").

use core::arch::global_asm;
use core::ptr::{copy_nonoverlapping, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use crate::apic::{self, delivery};
use crate::instruction::halt_for_ever;
use crate::{Exception, Failure, Verdict, interrupts, wait};

/// Where another core starts: a page below 1 MiB that nothing else uses.
const TRAMPOLINE: usize = 0x1_0000;
const TRAMPOLINE_VECTOR: u64 = 0x10;
/// Between INIT and SIPI: 10 ms at 1 GHz.
const INIT_TICKS: u64 = 10_000_000;

/// A started core's stack, and how many there are.
const STACK_BYTES: u32 = 16384;
const STACKS: u32 = 32;

/// What another core does once it is in 64-bit mode.
static MAIN: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
/// How many other cores have arrived.
static STARTED: AtomicU32 = AtomicU32::new(0);

global_asm!(
    r#"
    .pushsection .rodata.trampoline, "a"
    .global trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt - trampoline_start
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $level_4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl $0x80010021, %eax
    movl %eax, %cr0
    ljmpl $8, $application_start
    .align 8
trampoline_gdt:
    .word 23
    .long trampoline_descriptors
trampoline_end:
    .align 8
trampoline_descriptors:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
    .popsection

    .pushsection .text.application, "ax"
    .code64
application_start:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl ${stack_bytes}, %esp
    lock xaddl %esp, application_stacks_used
    addl $application_stacks + {stack_bytes}, %esp
    call application_main
    ud2
    .popsection

    .pushsection .bss.application, "aw", @nobits
    .align 16
application_stacks:
    .skip {stacks} * {stack_bytes}
application_stacks_used:
    .skip 4
    .popsection
    "#,
    stack_bytes = const STACK_BYTES,
    stacks = const STACKS,
    options(att_syntax)
);

unsafe extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// Starts the core with this APIC ID, which runs `main` and then halts.
///
/// # Errors
/// If it does not arrive.
pub fn start(apic_id: u32, main: fn()) -> Verdict {
    let before = STARTED.load(Ordering::Acquire);
    if before == STACKS {
        crate::fail!("no stack is left for core {apic_id}");
    }
    MAIN.store(main as *mut (), Ordering::Release);
    copy_trampoline();
    let faulted = |exception: Exception| Failure::new(format_args!("ICR: {exception}"));
    apic::send(apic::to_core(apic_id, delivery::INIT)).map_err(faulted)?;
    wait::pass(INIT_TICKS);
    let start_up = delivery::START_UP | TRAMPOLINE_VECTOR;
    apic::send(apic::to_core(apic_id, start_up)).map_err(faulted)?;
    if !wait::busy(|| STARTED.load(Ordering::Acquire) != before) {
        crate::fail!("core {apic_id} does not start");
    }
    Ok(())
}

fn copy_trampoline() {
    let from = &raw const trampoline_start;
    let end = (&raw const trampoline_end).addr();
    let bytes = end.saturating_sub(from.addr());
    // SAFETY: the source is the trampoline in this image, the destination a mapped page of
    // RAM outside the image.
    unsafe { copy_nonoverlapping(from, with_exposed_provenance_mut(TRAMPOLINE), bytes) };
}

/// Another core's first Rust code.
#[unsafe(no_mangle)]
extern "C" fn application_main() -> ! {
    interrupts::load();
    if apic::enable().is_ok() {
        STARTED.fetch_add(1, Ordering::AcqRel);
        let main = MAIN.load(Ordering::Acquire);
        // SAFETY: `start` has stored a `fn()` there before it sent the start-up interrupt.
        let main: fn() = unsafe { core::mem::transmute(main) };
        main();
    }
    halt_for_ever()
}
