//! Raises debug exceptions of every kind, and an alignment check at privilege level 3. A
//! hypervisor that sees them first must give each to the guest as the processor does: at the same
//! instruction, with the same error code, and with DR6 and DR7 as the handler expects them.
//!
//! QEMU's processor checks no alignment, and of ICEBP SVM's intercept of debug exceptions knows
//! nothing.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use test_guests::exits::{self, Counts, ExitReason};
use test_guests::instruction::cpuid;
use test_guests::interrupts::DEBUG;
use test_guests::{Exception, Failure, Verdict, catch, ensure, fail, guest, say};

guest!(main);

/// Bits of DR6: breakpoints 0 and 1, an access to a debug register, a single step; and all of
/// the kind.
const B0: u64 = 1 << 0;
const B1: u64 = 1 << 1;
const BD: u64 = 1 << 13;
const BS: u64 = 1 << 14;
const CAUSES: u64 = 0xf | BD | BS;
/// DR6 and DR7 after a reset.
const DR6_INITIAL: u64 = 0xffff_0ff0;
const DR7_INITIAL: u64 = 1 << 10;

/// What a breakpoint watches.
static WATCHED: AtomicU32 = AtomicU32::new(0);
/// Where the exception is to be raised.
static EXPECTED: AtomicU64 = AtomicU64::new(0);

/// What raises a debug exception, and what DR6 then tells.
struct Trial {
    name: &'static str,
    raise: fn(),
    causes: u64,
}

/// A trial of these instructions, of which the one with the label 2 is where the exception is told
/// to have been raised; its address is in RAX at first.
macro_rules! trial {
    ($name:literal, $causes:expr, $($text:literal),+) => {
        Trial {
            name: $name,
            causes: $causes,
            // SAFETY: the instructions change debug registers, flags and a word of memory that is
            // theirs; the exception that they end with puts flags and stack back.
            raise: || unsafe {
                asm!(
                    "lea rax, [rip + 2f]",
                    "mov [rip + {expected}], rax",
                    "mov dword ptr [rip + {watched}], 0",
                    $($text,)+
                    expected = sym EXPECTED,
                    watched = sym WATCHED,
                    out("rax") _,
                )
            },
        }
    };
}

const TRIALS: [Trial; 7] = [
    trial!(
        "a single step",
        BS,
        "pushfq",
        "or qword ptr [rsp], 0x100",
        "popfq",
        "nop",
        "2: nop"
    ),
    trial!(
        "a single step over STI",
        BS,
        "pushfq",
        "or qword ptr [rsp], 0x100",
        "popfq",
        "sti",
        "2: cli"
    ),
    trial!(
        "a write that is watched",
        B0,
        "lea rax, [rip + {watched}]",
        "mov dr0, rax",
        "mov eax, 0xd0401",
        "mov dr7, rax",
        "mov dword ptr [rip + {watched}], eax",
        "2: nop"
    ),
    trial!(
        "a write that is watched, as a single step",
        B0 | BS,
        "lea rax, [rip + {watched}]",
        "mov dr0, rax",
        "mov eax, 0xd0401",
        "mov dr7, rax",
        "pushfq",
        "or qword ptr [rsp], 0x100",
        "popfq",
        "mov dword ptr [rip + {watched}], eax",
        "2: nop"
    ),
    trial!(
        "a breakpoint at an instruction",
        B1,
        "mov dr1, rax",
        "mov eax, 0x404",
        "mov dr7, rax",
        "nop",
        "2: nop"
    ),
    trial!(
        "a guarded debug register",
        BD,
        "mov eax, 0x2400",
        "mov dr7, rax",
        "2: mov rax, dr0"
    ),
    trial!("INT1", 0, ".byte 0xf1", "2: nop"),
];

fn main() -> Verdict {
    let before = Counts::read();
    for trial in &TRIALS {
        raise(trial)?;
    }
    let seen = Counts::read().since(&before, ExitReason::Exception);
    // On SVM INT1 is none of them.
    let fewest = u64::try_from(TRIALS.len()).unwrap_or(0).wrapping_sub(1);
    say!("{} debug exceptions, {seen} exits", TRIALS.len());
    ensure!(
        seen >= fewest || !exits::are_counted(),
        "{seen} exits for exceptions, fewer than {fewest}"
    );
    check_alignment()
}

/// The exception comes where it should, and its handler can tell why.
fn raise(trial: &Trial) -> Verdict {
    let Trial { name, causes, .. } = *trial;
    // SAFETY: no breakpoint is on.
    unsafe { asm!("mov dr6, {}", in(reg) DR6_INITIAL) };
    let outcome = catch(trial.raise);
    let (status, control): (u64, u64);
    // SAFETY: reading has no effect, unless the registers are guarded still: that is then an
    // unexpected exception.
    unsafe { asm!("mov {}, dr6", "mov {}, dr7", out(reg) status, out(reg) control) };
    // SAFETY: switches breakpoints off.
    unsafe { asm!("mov dr7, {}", in(reg) DR7_INITIAL) };
    let Err(exception) = outcome else {
        fail!("{name} raises nothing");
    };
    let expected = Exception {
        vector: DEBUG.into(),
        error: 0,
        instruction: EXPECTED.load(Ordering::Relaxed),
    };
    ensure!(exception == expected, "{name}: {exception}, not {expected}");
    ensure!(
        status & CAUSES == causes && status | CAUSES == DR6_INITIAL | CAUSES,
        "{name}: DR6 is {status:#x}"
    );
    ensure!(control & 1 << 13 == 0, "{name}: DR7 is {control:#x}");
    Ok(())
}

/// A load from an odd address at privilege level 3, with CR0.AM and RFLAGS.AC set, raises `#AC(0)`;
/// where alignment is not checked, the instruction behind it is undefined.
fn check_alignment() -> Verdict {
    const ALIGNMENT_CHECK: u64 = 17;
    let is_intel = cpuid(0, 0).ebx == u32::from_le_bytes(*b"Genu");
    let before = Counts::read();
    let outcome = enter_user_mode()?;
    let seen = Counts::read().since(&before, ExitReason::Exception);
    match outcome {
        Err(exception) if exception.vector == ALIGNMENT_CHECK => {
            let expected = user_code();
            ensure!(
                (exception.error, exception.instruction) == (0, expected),
                "{exception}, not at {expected:#x}"
            );
            ensure!(seen == 1 || !exits::are_counted(), "{seen} exits for it");
            say!("an alignment check, {seen} exits");
            Ok(())
        }
        Err(exception) if exception.vector == Exception::INVALID_OPCODE && !is_intel => {
            say!("this processor checks no alignment");
            Ok(())
        }
        other => fail!("a load that is not aligned: {other:?}"),
    }
}

/// Selectors of the descriptors below.
const USER_DATA: u64 = 0x18 | 3;
const USER_CODE: u64 = 0x20 | 3;
const TASK: u16 = 0x28;
/// 64-bit code, data; the same for level 3; the task state segment.
static DESCRIPTORS: [AtomicU64; 7] = [
    AtomicU64::new(0),
    AtomicU64::new(0x00af_9b00_0000_ffff),
    AtomicU64::new(0x00cf_9300_0000_ffff),
    AtomicU64::new(0x00cf_f300_0000_ffff),
    AtomicU64::new(0x00af_fb00_0000_ffff),
    AtomicU64::new(0),
    AtomicU64::new(0),
];
/// An available 64-bit task state segment of 104 bytes, without its base.
const TASK_DESCRIPTOR: u64 = 0x0000_8900_0000_0067;
/// A 64-bit task state segment, word by word: the stack for level 0 is in words 1 and 2.
static TASK_STATE: [AtomicU32; 26] = [const { AtomicU32::new(0) }; 26];

/// Page-table entry: present; of level 3 too.
const PRESENT: u64 = 1 << 0;
const USER: u64 = 1 << 2;
/// The tables of the first 4 GiB, one behind the other: levels 4 and 3, and four of level 2.
const ENTRIES: usize = 6 * 512;

unsafe extern "C" {
    static level_4: [AtomicU64; ENTRIES];
    static exceptions_stack_top: u8;
    static exceptions_user: u8;
    /// Goes to level 3, with alignment checks on, and comes back by an exception only.
    safe fn exceptions_enter_user(descriptors: *const AtomicU64);
}

global_asm!(
    r#"
    .pushsection .text.exceptions, "ax"
    .global exceptions_enter_user, exceptions_user
exceptions_enter_user:
    sub rsp, 16
    mov word ptr [rsp + 6], 55
    mov [rsp + 8], rdi
    lgdt [rsp + 6]
    mov eax, {task}
    ltr ax
    mov rax, cr3
    mov cr3, rax
    mov rax, cr0
    or rax, 1 << 18
    mov cr0, rax
    lea rax, [rip + exceptions_stack_top - 4096]
    push {user_data}
    push rax
    push 0x40002
    push {user_code}
    lea rcx, [rip + exceptions_user]
    push rcx
    iretq
exceptions_user:
    mov eax, [rax + 1]
    ud2
    .popsection

    .pushsection .bss.exceptions, "aw", @nobits
    .align 16
    .skip 8192
    .global exceptions_stack_top
exceptions_stack_top:
    .popsection
    "#,
    task = const TASK,
    user_data = const USER_DATA,
    user_code = const USER_CODE,
);

fn user_code() -> u64 {
    (&raw const exceptions_user).expose_provenance() as u64
}

/// What ends the visit of level 3, which is an exception in any case.
fn enter_user_mode() -> Result<Result<(), Exception>, Failure> {
    // SAFETY: the symbol is the table that CR3 points to; nothing depends on who may use a page.
    let tables = unsafe { &level_4 };
    for entry in tables {
        if entry.load(Ordering::Relaxed) & PRESENT != 0 {
            entry.fetch_or(USER, Ordering::Relaxed);
        }
    }
    let stack = (&raw const exceptions_stack_top).expose_provenance() as u64;
    let base = TASK_STATE.as_ptr().expose_provenance() as u64;
    let [_, _, _, _, _, task, _] = &DESCRIPTORS;
    let [_, low, high, ..] = &TASK_STATE;
    low.store(stack as u32, Ordering::Relaxed);
    high.store((stack >> 32) as u32, Ordering::Relaxed);
    ensure!(base >> 32 == 0, "the image is not below 4 GiB: {base:#x}");
    let base = (base & 0xff_ffff) << 16 | (base >> 24) << 56;
    task.store(TASK_DESCRIPTOR | base, Ordering::Relaxed);
    Ok(catch(|| exceptions_enter_user(DESCRIPTORS.as_ptr())))
}
