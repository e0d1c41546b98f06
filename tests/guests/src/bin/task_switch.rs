//! Switches tasks by hardware, there and back, in 32-bit protected mode (Intel SDM 325384-080,
//! volume 3A, chapter 9 "Task Management").
//!
//! On SVM that is the processor's matter alone. On VMX every task switch exits, and a
//! hypervisor may answer it or stop the guest: then the last line is `switches tasks`.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use test_guests::{Verdict, ensure, guest, say};

guest!(main);

/// Selectors of the descriptors below.
const DATA: u32 = 0x10;
const CODE: u32 = 0x18;
/// 64-bit code, data, 32-bit code; then an available 32-bit task state segment for each task.
static DESCRIPTORS: [AtomicU64; 6] = [
    AtomicU64::new(0),
    AtomicU64::new(0x00af_9b00_0000_ffff),
    AtomicU64::new(0x00cf_9300_0000_ffff),
    AtomicU64::new(0x00cf_9b00_0000_ffff),
    AtomicU64::new(0),
    AtomicU64::new(0),
];
/// A present task state segment of 104 bytes, without its base.
const TASK_DESCRIPTOR: u64 = 0x0000_8900_0000_0067;

/// A 32-bit task state segment (chapter 9, figure 9-2), word by word.
type Task = [AtomicU32; 26];
/// The places of its fields.
const CR3: usize = 7;
const EIP: usize = 8;
const EFLAGS: usize = 9;
const ES: usize = 18;
const CS: usize = 19;
const GS: usize = 23;
const IO_MAP: usize = 25;

static TASKS: [Task; 2] = [const { [const { AtomicU32::new(0) }; 26] }; 2];
/// Set by the second task, and by the first one when it is back.
#[unsafe(no_mangle)]
static TASKS_RUN: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

global_asm!(
    r#"
    .pushsection .text.tasks, "ax"
    .code64
    .global switch_tasks, second_task
switch_tasks:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    subq $16, %rsp
    movw $47, 6(%rsp)
    movq %rdi, 8(%rsp)
    lgdt 6(%rsp)
    movq %rsp, tasks_stack
    pushq $0x18
    pushq $tasks_compatible
    lretq

    .code32
tasks_compatible:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $0xfffffeff, %eax
    wrmsr
    // The first jump saves this task and loads the second, whose jump does the reverse.
    movl $0x20, %eax
    ltr %ax
    ljmpl $0x28, $0
    incl TASKS_RUN + 4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    ljmpl $8, $tasks_long

second_task:
    incl TASKS_RUN
    ljmpl $0x20, $0
    ud2

    .code64
tasks_long:
    movq tasks_stack, %rsp
    addq $16, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
    .popsection

    .pushsection .bss.tasks, "aw", @nobits
    .align 8
tasks_stack:
    .skip 8
    .popsection
    "#,
    options(att_syntax)
);

unsafe extern "C" {
    static second_task: u8;
    /// Loads `descriptors`, leaves long mode, switches tasks twice and comes back.
    safe fn switch_tasks(descriptors: *const AtomicU64);
}

fn main() -> Verdict {
    for (task, descriptor) in TASKS.iter().zip(DESCRIPTORS.iter().skip(4)) {
        fill(task);
        let base = task.as_ptr().expose_provenance() as u64;
        let base = (base & 0xff_ffff) << 16 | (base >> 24) << 56;
        descriptor.store(TASK_DESCRIPTOR | base, Ordering::Release);
    }
    say!("switches tasks");
    switch_tasks(DESCRIPTORS.as_ptr());
    let [second, first] = &TASKS_RUN;
    let run = [
        second.load(Ordering::Acquire),
        first.load(Ordering::Acquire),
    ];
    ensure!(run == [1, 1], "the tasks ran {run:?} times");
    Ok(())
}

/// The state in which the second task begins; of the first, a switch saves all but CR3.
fn fill(task: &Task) {
    let level_4: u64;
    // SAFETY: reading changes nothing.
    unsafe { asm!("mov {}, cr3", out(reg) level_4, options(nomem, nostack, preserves_flags)) };
    let start = (&raw const second_task).expose_provenance();
    let registers = [(CR3, level_4 as u32), (EIP, start as u32), (EFLAGS, 2)];
    let segments = (ES..=GS).map(|place| (place, if place == CS { CODE } else { DATA }));
    // No bit map: it would begin behind the segment.
    let fields = registers
        .into_iter()
        .chain(segments)
        .chain([(IO_MAP, 104 << 16)]);
    for (place, value) in fields {
        if let Some(field) = task.get(place) {
            field.store(value, Ordering::Release);
        }
    }
}
