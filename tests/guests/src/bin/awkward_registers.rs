//! Puts values into registers that a processor should refuse, or that are strange, and makes
//! the guest exit with each: what is taken must not keep the guest from being entered again.
//!
//! An Intel processor refuses non-canonical addresses and unknown memory types. QEMU's takes
//! them, so elsewhere it is only said how many were refused.

#![no_std]
#![no_main]

use core::arch::asm;

use test_guests::instruction::{cpuid, read_msr, write_msr};
use test_guests::{Exception, Failure, Verdict, catch, ensure, fail, guest, say};

guest!(main);

/// Registers that hold an address.
const ADDRESSES: [(u32, &str); 7] = [
    (0x175, "SYSENTER_ESP"),
    (0x176, "SYSENTER_EIP"),
    (0xc000_0082, "LSTAR"),
    (0xc000_0083, "CSTAR"),
    (0xc000_0100, "FS base"),
    (0xc000_0101, "GS base"),
    (0xc000_0102, "kernel GS base"),
];
/// The first and the last address that is none, and one far from both.
const NON_CANONICAL: [u64; 3] = [1 << 47, !(1 << 47), 1 << 62];
const PAT: u32 = 0x277;
/// Types 2 and 3, and one of more than three bits.
const UNKNOWN_TYPES: [u64; 3] = [0x02, 0x03 << 56, 0x0e << 24];
const EFER: u32 = 0xc000_0080;
/// Bits of EFER: system calls, no-execute; long mode enabled and active.
const SCE: u64 = 1 << 0;
const NXE: u64 = 1 << 11;
const LME: u64 = 1 << 8;
const LMA: u64 = 1 << 10;
/// RFLAGS: IOPL 3, nested task, alignment check, and the bit that tells whether CPUID exists.
const FLAGS: [u64; 4] = [0b11 << 12, 1 << 14, 1 << 18, 1 << 21];

fn main() -> Verdict {
    let is_intel = cpuid(0, 0).ebx == u32::from_le_bytes(*b"Genu");
    let mut refused: u32 = 0;
    let mut tried: u32 = 0;
    for (msr, name) in ADDRESSES {
        for value in NON_CANONICAL {
            tried = tried.wrapping_add(1);
            refused = refused.wrapping_add(u32::from(is_refused(msr, value, name)?));
        }
    }
    for value in UNKNOWN_TYPES {
        tried = tried.wrapping_add(1);
        refused = refused.wrapping_add(u32::from(is_refused(PAT, value, "PAT")?));
    }
    say!("{refused} of {tried} values refused");
    ensure!(refused == tried || !is_intel, "the processor takes them");
    check_efer()?;
    check_debug_registers()?;
    check_flags()?;
    check_segments()
}

/// Executes what makes every guest exit, and be entered again.
fn leave() {
    let _ = core::hint::black_box(cpuid(0x4000_0000, 0));
}

/// Whether the write faults; if it does not, the guest exits with it and puts the old value back.
fn is_refused(msr: u32, value: u64, name: &str) -> Result<bool, Failure> {
    let before = read_msr(msr);
    let Ok(old) = before else {
        fail!("{name}: {before:?}");
    };
    match write_msr(msr, value) {
        Ok(()) => {
            leave();
            let restored = write_msr(msr, old);
            ensure!(restored.is_ok(), "{name} = {old:#x}: {restored:?}");
            Ok(false)
        }
        Err(exception) if exception.vector == Exception::GENERAL_PROTECTION => {
            let after = read_msr(msr);
            ensure!(after == before, "{name} was {old:#x} and is {after:x?}");
            Ok(true)
        }
        Err(exception) => fail!("{name} = {value:#x}: {exception}"),
    }
}

/// Reserved bits fault, so does leaving long mode while paging is on; the rest is taken, and
/// nobody can clear LMA.
fn check_efer() -> Verdict {
    let first = read_msr(EFER).unwrap_or(0);
    ensure!(first & (LME | LMA) == LME | LMA, "EFER is {first:#x}");
    let reserved = [1, 2, 7, 9, 12, 13, 14, 15, 16, 20, 32, 63].map(|bit| first | 1 << bit);
    for value in reserved.into_iter().chain([first & !LME]) {
        let refused = is_refused(EFER, value, "EFER")?;
        ensure!(refused, "EFER takes {value:#x}");
    }
    for value in [first | SCE | NXE, first & !(SCE | NXE), first & !LMA, first] {
        let written = write_msr(EFER, value);
        let read = read_msr(EFER);
        let expected = Ok(value | LMA);
        ensure!(
            written.is_ok() && read == expected,
            "EFER = {value:#x}: {written:?}, reads {read:x?}"
        );
    }
    Ok(())
}

/// The upper halves of DR6 and DR7 must be 0.
fn check_debug_registers() -> Verdict {
    for bit in [32, 47, 63] {
        let value: u64 = 1 << bit;
        // SAFETY: it faults, or sets bits that no processor looks at.
        let six = catch(|| unsafe { asm!("mov dr6, {}", in(reg) value, options(nostack)) });
        // SAFETY: as above.
        let seven = catch(|| unsafe { asm!("mov dr7, {}", in(reg) value, options(nostack)) });
        leave();
        for (name, written) in [("DR6", six), ("DR7", seven)] {
            let refused = written.is_err_and(|why| why.vector == Exception::GENERAL_PROTECTION);
            ensure!(refused, "{name} = {value:#x}: {written:?}");
        }
    }
    Ok(())
}

/// Flags that do nothing at this privilege level survive an exit.
fn check_flags() -> Verdict {
    for flag in FLAGS {
        let found: u64;
        // SAFETY: the flags are put back, and none of them matters to the code between.
        unsafe {
            asm!(
                "pushfq",
                "pushfq",
                "or [rsp], {flag}",
                "popfq",
                "mov eax, 0x40000000",
                "push rbx",
                "cpuid",
                "pop rbx",
                "pushfq",
                "pop {found}",
                "popfq",
                flag = in(reg) flag,
                found = out(reg) found,
                out("rax") _, out("rcx") _, out("rdx") _,
            );
        }
        ensure!(found & flag == flag, "flag {flag:#x} was lost: {found:#x}");
    }
    Ok(())
}

/// 64-bit mode takes null selectors, and descriptor tables without a single entry.
fn check_segments() -> Verdict {
    // SAFETY: no segment register matters in 64-bit mode, and they are put back; nothing
    // interrupts while there is no descriptor table for it.
    let survived = catch(|| unsafe {
        asm!(
            "sub rsp, 32",
            "sidt [rsp]",
            "mov qword ptr [rsp + 16], 0",
            "mov qword ptr [rsp + 24], 0",
            "lidt [rsp + 16]",
            "xor eax, eax",
            "lldt ax",
            "mov ds, eax",
            "mov es, eax",
            "mov fs, eax",
            "mov gs, eax",
            "mov ss, eax",
            "mov eax, 0x40000000",
            "push rbx",
            "cpuid",
            "pop rbx",
            "mov eax, 16",
            "mov ds, eax",
            "mov es, eax",
            "mov fs, eax",
            "mov gs, eax",
            "mov ss, eax",
            "lidt [rsp]",
            "add rsp, 32",
            out("rax") _, out("rcx") _, out("rdx") _,
        );
    });
    ensure!(survived.is_ok(), "null selectors: {survived:?}");
    Ok(())
}
