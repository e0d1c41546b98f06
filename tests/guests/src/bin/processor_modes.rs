//! Goes from 64-bit mode down to real mode and back up, many times and on both cores, by way
//! of every kind of paging; in each mode it executes what makes a guest exit.
//!
//! An exit must be answered in the mode that it comes from, and the guest must go on in it. In real
//! mode that is also a register that is denied: the exception pushes no error code there.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ptr::{copy_nonoverlapping, with_exposed_provenance_mut};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use test_guests::memory::Region;
use test_guests::{Failure, Verdict, apic, ensure, guest, processors, say, smp, wait};

guest!(main);

/// A page below 1 MiB that nothing else uses: real mode's code, its stack, and the marks.
const LOW: u64 = 0x1_1000;
const LOW_BYTES: u64 = 0x1000;
const LOW_SEGMENT: u64 = LOW >> 4;
/// Where the marks are in that page.
const MARKS: u64 = 0x800;
/// What each mode is called, in the order of their marks.
const MODES: [&str; 9] = [
    "compatibility mode",
    "protected mode, long mode enabled",
    "protected mode",
    "PAE paging",
    "32-bit paging",
    "16-bit protected mode",
    "real mode",
    "protected mode again",
    "compatibility mode again",
];
/// The marks that one visit of a mode leaves: CPUID, RDMSR and IN, each answered rightly.
const MARKS_A_VISIT: u32 = 3;
const ROUNDS: u32 = 20;
/// A register that no guest has: IA32_VMX_BASIC.
const DENIED: u32 = 0x480;
/// Present, writable, large.
const LARGE_PAGE: u32 = 0x83;
/// All that a PAE page-directory-pointer-table entry may say besides an address.
const PRESENT: u64 = 1;

/// The table of PAE paging's highest level.
#[repr(align(32))]
struct DirectoryPointers([AtomicU64; 4]);
/// The one table of 32-bit paging with pages of 4 MiB.
#[repr(align(4096))]
struct Directory([AtomicU32; 1024]);

#[unsafe(no_mangle)]
static MODES_POINTERS: DirectoryPointers = DirectoryPointers([const { AtomicU64::new(0) }; 4]);
#[unsafe(no_mangle)]
static MODES_DIRECTORY: Directory = Directory([const { AtomicU32::new(0) }; 1024]);

/// How many rounds the other core has made.
static DONE: AtomicU32 = AtomicU32::new(0);

global_asm!(
    r#"
    // Marks that CPUID, RDMSR and IN, which all exit, give what they should.
    .macro modes_visit place
    movl $0x40000100, %eax
    cpuid
    cmpl ${signature}, %ebx
    jne 2f
    incl \place
2:  movl $0x1b, %ecx
    rdmsr
    andl $0xfffff000, %eax
    cmpl $0xfee00000, %eax
    jne 2f
    incl \place
2:  movw $0x3fd, %dx
    inb %dx, %al
    testb $0x20, %al
    jz 2f
    incl \place
2:
    .endm

    .pushsection .text.modes, "ax"
    .code64
    .global modes_round
modes_round:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq
    cli
    movq %rsp, modes_stack
    sidt modes_interrupts
    movq %cr3, %rax
    movl %eax, modes_level_4
    lgdt modes_gdt
    pushq $0x18
    pushq $modes_compatible
    lretq

    .code32
modes_compatible:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    modes_visit {marks} + 0
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    modes_visit {marks} + 4
    movl $0xc0000080, %ecx
    rdmsr
    andl $0xfffffeff, %eax
    wrmsr
    modes_visit {marks} + 8
    movl $MODES_POINTERS, %eax
    call modes_enable_paging
    modes_visit {marks} + 12
    call modes_disable_paging
    movl %cr4, %eax
    andl $0xffffffdf, %eax
    orl $0x10, %eax
    movl %eax, %cr4
    movl $MODES_DIRECTORY, %eax
    call modes_enable_paging
    modes_visit {marks} + 16
    call modes_disable_paging
    ljmpl $0x20, $modes_16_bit - modes_low_start

modes_enable_paging:
    movl %eax, %cr3
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ret

modes_disable_paging:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    ret

modes_protected:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl modes_stack, %esp
    modes_visit {marks} + 28
    movl %cr4, %eax
    andl $0xffffffef, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl modes_level_4, %eax
    call modes_enable_paging
    modes_visit {marks} + 32
    ljmpl $8, $modes_long

    .code64
modes_long:
    movq modes_stack, %rsp
    lidt modes_interrupts
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .popsection

    // What is copied below 1 MiB.
    .pushsection .rodata.modes, "a"
    .global modes_low_start, modes_low_end
    .code16
modes_low_start:
modes_16_bit:
    movw $0x28, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    modes_visit {low_marks} + 20
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmpw ${segment}, $modes_real - modes_low_start
modes_real:
    movw %cs, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw $0x1000, %sp
    lidtl modes_vectors - modes_low_start
    int $0x40
    movl ${denied}, %ecx
    rdmsr
    modes_visit {low_marks} + 24
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $0x18, $modes_protected
modes_interrupt:
    incl {low_marks} + 36
    iretw
    // Goes on behind the RDMSR.
modes_fault:
    incl {low_marks} + 40
    pushw %bp
    movw %sp, %bp
    addw $2, 2(%bp)
    popw %bp
    iretw
    .align 4
    // Vectors 0Dh and 40h alone.
modes_vectors:
    .word 0x103
    .long {low} + modes_vector_13 - modes_low_start - 0x34
modes_vector_13:
    .word modes_fault - modes_low_start, {segment}
    .skip 0xc8
    .word modes_interrupt - modes_low_start, {segment}
modes_low_end:

    .align 8
    // 64-bit code, data, 32-bit code; and with base LOW and 64 KiB: 16-bit code, data.
modes_descriptors:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
    .quad 0x00009b000000ffff + ({low} << 16), 0x000093000000ffff + ({low} << 16)
modes_gdt:
    .word 47
    .quad modes_descriptors
    .popsection

    .pushsection .bss.modes, "aw", @nobits
    .align 16
modes_stack:
    .skip 8
modes_level_4:
    .skip 8
modes_interrupts:
    .skip 16
    .popsection
    "#,
    signature = const u32::from_le_bytes(*b"Bulk"),
    denied = const DENIED,
    low = const LOW,
    marks = const LOW + MARKS,
    low_marks = const MARKS,
    segment = const LOW_SEGMENT,
    options(att_syntax)
);

unsafe extern "C" {
    static modes_low_start: u8;
    static modes_low_end: u8;
    /// The four tables that map the first 4 GiB.
    static level_2: u8;
    /// One round through all modes. Each core's stack, and all else, is below 4 GiB.
    safe fn modes_round();
}

fn main() -> Verdict {
    let none = Failure::new(format_args!("there is no memory at {LOW:#x}"));
    let low = Region::new(LOW, LOW_BYTES).ok_or(none)?;
    low.clear();
    copy_low_code();
    fill_tables();
    (0..ROUNDS).for_each(|_| modes_round());
    check(&low, ROUNDS)?;
    let own = apic::id();
    let Some(other) = processors::apic_ids().find(|id| *id != own) else {
        return Ok(());
    };
    smp::start(other, go_round)?;
    let done = wait::busy(|| DONE.load(Ordering::Acquire) == ROUNDS);
    ensure!(done, "core {other} is lost");
    check(&low, ROUNDS.wrapping_mul(2))?;
    say!("{ROUNDS} rounds on each of two cores");
    Ok(())
}

/// What the other core does.
fn go_round() {
    for _ in 0..ROUNDS {
        modes_round();
        DONE.fetch_add(1, Ordering::Release);
    }
}

fn copy_low_code() {
    let from = &raw const modes_low_start;
    let bytes = (&raw const modes_low_end)
        .addr()
        .saturating_sub(from.addr());
    let Ok(low) = usize::try_from(LOW) else {
        return;
    };
    // SAFETY: the source is in this image, the destination a mapped page of RAM outside it.
    unsafe { copy_nonoverlapping(from, with_exposed_provenance_mut(low), bytes) };
}

/// PAE paging by the runtime's own tables, and 32-bit paging by large pages: all of 4 GiB,
/// each address mapped to itself.
fn fill_tables() {
    let mut table = u64::try_from((&raw const level_2).expose_provenance()).unwrap_or(0);
    for pointer in &MODES_POINTERS.0 {
        pointer.store(table | PRESENT, Ordering::Relaxed);
        table = table.wrapping_add(4096);
    }
    for (number, entry) in (0_u32..).zip(&MODES_DIRECTORY.0) {
        entry.store(number << 22 | LARGE_PAGE, Ordering::Relaxed);
    }
}

/// Every mode was visited in each of `rounds`, and every exit there was answered rightly.
fn check(low: &Region, rounds: u32) -> Verdict {
    let mut place = MARKS;
    for mode in MODES {
        let marks: u32 = low.read(place);
        let expected = rounds.wrapping_mul(MARKS_A_VISIT);
        ensure!(marks == expected, "{mode}: {marks} marks of {expected}");
        place = place.wrapping_add(4);
    }
    for what in ["interrupts", "general-protection exceptions"] {
        let found: u32 = low.read(place);
        ensure!(found == rounds, "{found} {what} of {rounds} in real mode");
        place = place.wrapping_add(4);
    }
    Ok(())
}
