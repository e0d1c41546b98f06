//! Executes what makes a guest exit where it is awkward to go on: as a single step, in the
//! shadow of a load of SS or of STI, in two pages at once, and as the last instruction of an
//! address space.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use test_guests::apic::{delivery, send, to_core};
use test_guests::interrupts::{DEBUG, received, step};
use test_guests::memory::Region;
use test_guests::{Exception, Verdict, apic, catch, ensure, fail, guest, io_apic, say};

guest!(main);

fn main() -> Verdict {
    step_over_all()?;
    end_the_shadow()?;
    map_last_pages()?;
    lie_in_two_pages()?;
    run_off_the_end()?;
    wrap_around_all()
}

/// A closure that executes two instructions with RFLAGS.TF set, and some that end that.
macro_rules! stepped {
    ($first:literal, $second:literal) => {
        (
            concat!($first, "; ", $second),
            // SAFETY: the instructions change no memory but the stack; interrupts are off, and
            // single steps end with the block or with the exception that ends it.
            (|| unsafe {
                asm!(
                    "push rbx",
                    "mov r9, cr0",
                    "mov r8, r9",
                    "btc r8, 5",
                    "pushfq",
                    "or qword ptr [rsp], 0x100",
                    "popfq",
                    $first,
                    $second,
                    "nop",
                    "pushfq",
                    "btr qword ptr [rsp], 8",
                    "popfq",
                    "mov cr0, r9",
                    "pop rbx",
                    inout("rax") 0x4000_0000_u64 => _,
                    inout("rcx") 0x1b_u64 => _,
                    inout("rdx") 0x3fd_u64 => _,
                    in("rsi") 16_u64,
                    out("r8") _,
                    out("r9") _,
                )
            }) as fn(),
        )
    };
}

/// Instructions that exit, alone and behind a load of SS, which holds the single step back.
/// RAX, RCX and RDX suit them; R8 is CR0 with NE changed, R9 as it was.
const STEPPED: [(&str, fn()); 14] = [
    stepped!("nop", "cpuid"),
    stepped!("mov ss, esi", "cpuid"),
    stepped!("nop", "rdmsr"),
    stepped!("mov ss, esi", "rdmsr"),
    stepped!("nop", "in al, dx"),
    stepped!("mov ss, esi", "in al, dx"),
    stepped!("nop", "out 0x80, al"),
    stepped!("mov ss, esi", "out 0x80, al"),
    stepped!("nop", "invd"),
    stepped!("mov ss, esi", "invd"),
    stepped!("nop", "mov cr0, r8"),
    stepped!("mov ss, esi", "mov cr0, r8"),
    // Refused: APIC_BASE does not take this value.
    stepped!("nop", "wrmsr"),
    stepped!("mov ss, esi", "wrmsr"),
];
/// The steps of a block whose every instruction has one.
const STEPS: u32 = 6;
/// The fewest: none behind the load of SS, and none over the instruction that exits.
const FEWEST_STEPS: u32 = STEPS - 2;

/// The guest goes on behind each of them, and only the step over what exits may get lost.
fn step_over_all() -> Verdict {
    let mut lost: u32 = 0;
    for (text, operation) in STEPPED {
        let before = received(DEBUG);
        let outcome = step(operation);
        let steps = received(DEBUG).wrapping_sub(before);
        match outcome {
            Ok(()) => {
                let plausible = (FEWEST_STEPS..=STEPS).contains(&steps);
                ensure!(plausible, "{text}: {steps} steps of {STEPS}");
                lost = lost.wrapping_add(STEPS.wrapping_sub(steps));
            }
            Err(exception) if exception.vector == Exception::GENERAL_PROTECTION => {}
            Err(exception) => fail!("{text}: {exception}"),
        }
    }
    say!(
        "{} stepped over, {lost} steps lost or held back",
        STEPPED.len()
    );
    Ok(())
}

/// The shadow of STI ends with the next instruction, also if that one exits: a waiting
/// interrupt then arrives.
fn end_the_shadow() -> Verdict {
    const VECTOR: u8 = 0x53;
    for round in 1..=100 {
        let sent = send(to_core(apic::id(), delivery::FIXED | u64::from(VECTOR)));
        ensure!(sent.is_ok(), "ICR: {sent:?}");
        // SAFETY: the handler keeps every register; interrupts are off again afterwards.
        unsafe {
            asm!("push rbx", "sti", "cpuid", "cli", "pop rbx",
                inout("eax") 0x4000_0000_u32 => _, out("ecx") _, out("edx") _);
        }
        let arrived = received(VECTOR);
        ensure!(
            arrived == round,
            "{arrived} interrupts of {round} behind a shadow"
        );
    }
    Ok(())
}

/// One past the last address of the lower half of the address space.
const END: u64 = 1 << 47;
/// Present and writable.
const TABLE: u64 = 0b11;

#[repr(align(4096))]
struct Table([AtomicU64; 512]);
#[repr(align(4096))]
struct Page([AtomicU8; PAGE_BYTES]);

/// The tables that map [`PAGES`] right before [`END`].
static TABLES: [Table; 3] = [const { Table([const { AtomicU64::new(0) }; 512]) }; 3];
/// The last page, and the one before it: in memory, they are the other way round.
static PAGES: [Page; 2] = [const { Page([const { AtomicU8::new(0) }; PAGE_BYTES]) }; 2];
const PAGE_BYTES: usize = 4096;

/// CPUID, RDMSR, INVD, OUT to port 0x80, IN from port DX.
const EXITING: [&[u8]; 5] = [
    &[0x0f, 0xa2],
    &[0x0f, 0x32],
    &[0x0f, 0x08],
    &[0xe6, 0x80],
    &[0xec],
];

/// What exits stands at the very end of the addresses: behind it there is none to go on at,
/// which is a fault of the guest's own.
fn run_off_the_end() -> Verdict {
    let [last, _] = &PAGES;
    for bytes in EXITING {
        let start = PAGE_BYTES.saturating_sub(bytes.len());
        for (place, byte) in last.0.iter().skip(start).zip(bytes) {
            place.store(*byte, Ordering::Release);
        }
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        let target = END.wrapping_sub(length);
        // SAFETY: the page holds the instruction; behind it execution faults, which is caught.
        let outcome = catch(|| unsafe {
            asm!("jmp {}", in(reg) target, in("rax") 0x4000_0000_u64, in("rcx") 0x1b_u64,
                in("rdx") 0x3fd_u64, options(noreturn))
        });
        let faulted = outcome.is_err_and(|why| why.vector == Exception::GENERAL_PROTECTION);
        ensure!(faulted, "{bytes:x?} at the end: {outcome:?}");
    }
    say!("{} instructions at the end of the addresses", EXITING.len());
    Ok(())
}

/// MOV DWORD PTR [RDI], a constant, and JMP RSI.
const STORE: [u8; 2] = [0xc7, 0x07];
const STORE_LENGTH: u8 = 6;
const JUMP: [u8; 2] = [0xff, 0xe6];

/// A store to a register that traps stands with its first bytes in one page and with the others
/// in the next, which lies elsewhere in memory: it arrives as it is.
fn lie_in_two_pages() -> Verdict {
    let [last, other] = &PAGES;
    let Some(registers) = Region::new(io_apic::ADDRESS, io_apic::BYTES) else {
        fail!("the I/O APIC's page is not to be had");
    };
    for before in 1..STORE_LENGTH {
        // The constant is told apart by the place.
        let code = STORE.into_iter().chain([before, 0, 0, 0]).chain(JUMP);
        let start = PAGE_BYTES.wrapping_sub(before.into());
        let places = other.0.iter().skip(start).chain(&last.0);
        for (place, byte) in places.zip(code) {
            place.store(byte, Ordering::Release);
        }
        let page = PAGE_BYTES as u64;
        let target = END.wrapping_sub(page).wrapping_sub(before.into());
        // SAFETY: the pages hold a store to a register of the I/O APIC, which selects another
        // one, and a jump back.
        unsafe {
            asm!("lea rsi, [rip + 2f]", "jmp {}", "2:", in(reg) target, in("rdi") io_apic::ADDRESS,
                out("rsi") _);
        }
        let selected: u32 = registers.read(io_apic::INDEX);
        ensure!(
            selected == before.into(),
            "{before} bytes before the boundary: {selected:#x} arrived"
        );
    }
    say!("{} stores in two pages", STORE_LENGTH.wrapping_sub(1));
    Ok(())
}

/// Puts [`TABLES`] below the last entry of the lower half.
fn map_last_pages() -> Verdict {
    let [third, second, first] = &TABLES;
    let address = |place: *const AtomicU64| place.expose_provenance() as u64;
    let page = |page: &Page| page.0.as_ptr().expose_provenance() as u64;
    let [last, other] = &PAGES;
    let entries = [
        (third.0.last(), address(second.0.as_ptr())),
        (second.0.last(), address(first.0.as_ptr())),
        (first.0.last(), page(last)),
        (first.0.get(510), page(other)),
    ];
    for (entry, next) in entries {
        if let Some(entry) = entry {
            entry.store(next | TABLE, Ordering::Release);
        }
    }
    // SAFETY: the symbol is the table that CR3 points to, of which nothing uses this entry.
    let root = unsafe { &level_4 };
    let Some(entry) = root.get(255) else {
        fail!("the table has no middle");
    };
    entry.store(address(third.0.as_ptr()) | TABLE, Ordering::Release);
    Ok(())
}

unsafe extern "C" {
    static level_4: [AtomicU64; 512];
    /// Where [`wrap_around`] comes back.
    static wrap_back: u8;
    /// Executes the code at [`WRAPPED`] in compatibility mode, so that its first instruction
    /// ends at the last address; `descriptors` is a table that has this code segment.
    safe fn wrap_around(descriptors: *const [u64; 4], offset: u32);
}

global_asm!(
    r#"
    .pushsection .text.wrap, "ax"
    .global wrap_around, wrap_back
wrap_around:
    push rbx
    push rbp
    sub rsp, 16
    mov word ptr [rsp + 6], 31
    mov [rsp + 8], rdi
    lgdt [rsp + 6]
    mov [wrap_stack], rsp
    push 0x18
    mov eax, esi
    push rax
    mov eax, 0x40000000
    mov ecx, 0x1b
    mov edx, 0x3fd
    retfq
wrap_back:
    mov rsp, [wrap_stack]
    add rsp, 16
    pop rbp
    pop rbx
    ret
    .popsection

    .pushsection .bss.wrap, "aw", @nobits
    .align 8
wrap_stack:
    .skip 8
    .popsection
    "#
);

/// An instruction and a far jump to `wrap_back`.
static WRAPPED: [AtomicU8; 16] = [const { AtomicU8::new(0) }; 16];
/// 64-bit code, data, and 32-bit code whose base is to be filled in.
const DESCRIPTORS: [u64; 4] = [
    0,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_9b00_0000_ffff,
];

/// What exits stands at the end of a 32-bit code segment: the next instruction is at its
/// beginning.
fn wrap_around_all() -> Verdict {
    let back = (&raw const wrap_back).expose_provenance() as u32;
    let place = WRAPPED.as_ptr().expose_provenance() as u32;
    for bytes in EXITING {
        let jump = [0xea].into_iter().chain(back.to_le_bytes()).chain([8, 0]);
        for (place, byte) in WRAPPED.iter().zip(bytes.iter().copied().chain(jump)) {
            place.store(byte, Ordering::Release);
        }
        // The segment begins where the jump is, and the instruction right before that.
        let length = bytes.len() as u32;
        let base = u64::from(place.wrapping_add(length));
        let mut descriptors = DESCRIPTORS;
        descriptors[3] |= (base & 0xff_ffff) << 16 | (base >> 24) << 56;
        let offset = length.wrapping_neg();
        let outcome = catch(|| wrap_around(&raw const descriptors, offset));
        ensure!(
            outcome.is_ok(),
            "{bytes:x?} at the end of 32 bits: {outcome:?}"
        );
    }
    say!("{} instructions at the end of a segment", EXITING.len());
    Ok(())
}
