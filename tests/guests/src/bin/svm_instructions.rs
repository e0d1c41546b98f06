//! Executes the instructions of a hypervisor, which a partition does not have.

#![no_std]
#![no_main]

use core::arch::asm;

use test_guests::instruction::read_msr;
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

fn main() -> Verdict {
    let undefined: [(&str, fn()); 12] = [
        instruction!("vmrun rax"),
        instruction!("vmload rax"),
        instruction!("vmsave rax"),
        instruction!("vmmcall"),
        instruction!("stgi"),
        instruction!("clgi"),
        instruction!("skinit eax"),
        instruction!("invlpga rax, ecx"),
        instruction!("vmxoff"),
        instruction!("vmlaunch"),
        instruction!("vmcall"),
        instruction!("rsm"),
    ];
    for (text, operation) in undefined {
        match catch(operation) {
            Err(exception) if exception.vector == Exception::INVALID_OPCODE => {}
            Err(exception) => fail!("{text}: {exception}"),
            Ok(()) => fail!("{text} did not fault"),
        }
    }
    let hidden = read_msr(0xc000_0080).is_ok_and(|efer| efer & 1 << 12 == 0);
    ensure!(hidden, "EFER.SVME shows");
    survive_invd()
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
