//! Executes the instructions of a hypervisor, those of the processor's vendor: a partition
//! has none.

#![no_std]
#![no_main]

use core::arch::asm;

use test_guests::control_registers::{cr4, read_cr4, write_cr4};
use test_guests::instruction::{cpuid, read_msr};
use test_guests::{Exception, Verdict, catch, ensure, fail, guest, say};

guest!(main);

/// A closure that executes one instruction; whatever it faults on is caught.
macro_rules! instruction {
    ($text:literal) => {
        (
            $text,
            // SAFETY: every register that the instruction reads is a number that no Rust
            // object has for its address, and it is expected to fault before it writes.
            (|| unsafe {
                asm!($text, in("rax") 0x70_0000_u64, in("rcx") 0_u64, in("rdx") 0_u64, options(nostack))
            }) as fn(),
        )
    };
}

/// SVM's, which an AMD processor has. `rax` is an address in memory that nothing uses.
const AMD: &[(&str, fn())] = &[
    instruction!("vmrun rax"),
    instruction!("vmload rax"),
    instruction!("vmsave rax"),
    instruction!("vmmcall"),
    instruction!("stgi"),
    instruction!("clgi"),
    instruction!("skinit eax"),
    instruction!("invlpga rax, ecx"),
    instruction!("monitorx"),
    instruction!("mwaitx"),
];

/// VMX's and SMX', which an Intel processor has.
const INTEL: &[(&str, fn())] = &[
    instruction!("vmxon [rax]"),
    instruction!("vmxoff"),
    instruction!("vmclear [rax]"),
    instruction!("vmptrld [rax]"),
    instruction!("vmptrst [rax]"),
    instruction!("vmread rdx, rcx"),
    instruction!("vmwrite rcx, rdx"),
    instruction!("vmlaunch"),
    instruction!("vmresume"),
    instruction!("vmcall"),
    instruction!("vmfunc"),
    instruction!("invept rcx, [rax]"),
    instruction!("invvpid rcx, [rax]"),
    instruction!("getsec"),
];

/// What both have, and no partition.
const BOTH: &[(&str, fn())] = &[
    instruction!("monitor"),
    instruction!("mwait"),
    instruction!("rsm"),
];

fn main() -> Verdict {
    let is_intel = cpuid(0, 0).ebx == u32::from_le_bytes(*b"Genu");
    let own = if is_intel { INTEL } else { AMD };
    for (text, operation) in own.iter().chain(BOTH) {
        refused(text, *operation, &[Exception::INVALID_OPCODE])?;
    }
    let (text, operation) = instruction!("rdpmc");
    let either = [Exception::INVALID_OPCODE, Exception::GENERAL_PROTECTION];
    refused(text, operation, &either)?;
    let hidden = read_msr(0xc000_0080).is_ok_and(|efer| efer & 1 << 12 == 0);
    ensure!(hidden, "EFER.SVME shows");
    if is_intel {
        // On SVM the bits are reserved, and QEMU's SVM then refuses the guest, not the value.
        cannot_be_set("VMXE", cr4::VMXE)?;
        cannot_be_set("SMXE", cr4::SMXE)?;
    }
    survive_invd()
}

/// The instruction raises one of these exceptions.
fn refused(text: &str, operation: fn(), exceptions: &[u64]) -> Verdict {
    match catch(operation) {
        Err(exception) if exceptions.contains(&exception.vector) => Ok(()),
        Err(exception) => fail!("{text}: {exception}"),
        Ok(()) => fail!("{text} did not fault"),
    }
}

/// A bit of CR4 reads 0 and cannot be set.
fn cannot_be_set(name: &str, bit: u64) -> Verdict {
    let before = read_cr4();
    ensure!(before & bit == 0, "CR4.{name} shows");
    let written = write_cr4(before | bit);
    let refused = written.is_err_and(|why| why.vector == Exception::GENERAL_PROTECTION);
    ensure!(refused, "CR4.{name} can be set");
    ensure!(read_cr4() == before, "CR4 changed by CR4.{name}");
    Ok(())
}

/// INVD would lose what is in the caches alone: whether it is denied or done as WBINVD, the
/// memory must be as it was.
fn survive_invd() -> Verdict {
    let pattern: [u64; 64] =
        core::array::from_fn(|index| 0x9e37_79b9_u64.rotate_left(index as u32));
    let copy = core::hint::black_box(pattern);
    // SAFETY: this is the attack. On a machine that lets it through all of memory may be stale.
    let outcome = catch(|| unsafe { asm!("invd", options(nostack)) });
    ensure!(core::hint::black_box(copy) == pattern, "INVD lost memory");
    match outcome {
        Ok(()) => say!("INVD did no harm"),
        Err(exception) => say!("INVD: {exception}"),
    }
    Ok(())
}
