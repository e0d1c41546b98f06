//! Writes CR0 and CR4: what a processor like this one takes reads back, and all else faults.
//!
//! What it is like CPUID says: a bit of CR4 whose feature is hidden must not be there.

#![no_std]
#![no_main]

use test_guests::control_registers::{cr0, cr4, read_cr0, read_cr4, write_cr0, write_cr4};
use test_guests::instruction::cpuid;
use test_guests::{Exception, Verdict, ensure, guest, say};

guest!(main);

/// Bits of CR0 that change nothing for code without floating point, by their own.
const FREE: [u64; 6] = [cr0::MP, cr0::EM, cr0::TS, cr0::NE, cr0::WP, cr0::AM];

/// The registers that CPUID sets.
#[derive(Clone, Copy)]
enum Register {
    Ebx,
    Ecx,
    Edx,
}
use Register::{Ebx, Ecx, Edx};

/// A bit of CR4 and the feature that it belongs to: leaf, register and bit.
struct Feature {
    bit: u32,
    leaf: u32,
    register: Register,
    flag: u32,
}

const fn feature(bit: u32, leaf: u32, register: Register, flag: u32) -> Feature {
    Feature {
        bit,
        leaf,
        register,
        flag,
    }
}

/// Bits that can be set and cleared in 64-bit mode where the feature is there. Not: PAE, which
/// must stay; MCE, which works without its feature; LA57, which needs another mode.
const FEATURES: [Feature; 22] = [
    feature(0, 1, Edx, 1),   // VME
    feature(1, 1, Edx, 1),   // PVI
    feature(2, 1, Edx, 4),   // TSD
    feature(3, 1, Edx, 2),   // DE
    feature(4, 1, Edx, 3),   // PSE
    feature(7, 1, Edx, 13),  // PGE
    feature(8, 1, Edx, 5),   // PCE: whoever has MSRs
    feature(9, 1, Edx, 24),  // OSFXSR
    feature(10, 1, Edx, 25), // OSXMMEXCPT
    feature(11, 7, Ecx, 2),  // UMIP
    feature(13, 1, Ecx, 5),  // VMXE
    feature(14, 1, Ecx, 6),  // SMXE
    feature(16, 7, Ebx, 0),  // FSGSBASE
    feature(17, 1, Ecx, 17), // PCIDE
    feature(18, 1, Ecx, 26), // OSXSAVE
    feature(19, 7, Ecx, 23), // KL
    feature(20, 7, Ebx, 7),  // SMEP
    feature(21, 7, Ebx, 20), // SMAP
    feature(22, 7, Ecx, 3),  // PKE
    feature(23, 7, Ecx, 7),  // CET
    feature(24, 7, Ecx, 31), // PKS
    feature(25, 7, Edx, 5),  // UINTR
];

/// Bits that nothing has, or nothing that a partition has: LASS, LAM, FRED and the rest.
const RESERVED: [u32; 9] = [15, 26, 27, 28, 29, 31, 32, 40, 63];

fn main() -> Verdict {
    take_cr0()?;
    take_cr4()?;
    if cpuid(0, 0).ebx == u32::from_le_bytes(*b"Genu") {
        // QEMU, where SVM is tried, looks at no value of CR0, and refuses the guest in place
        // of a value of CR4.
        refuse_cr0()?;
        refuse_cr4()?;
    }
    Ok(())
}

impl Feature {
    fn is_offered(&self) -> bool {
        let answer = cpuid(self.leaf, 0);
        let register = match self.register {
            Ebx => answer.ebx,
            Ecx => answer.ecx,
            Edx => answer.edx,
        };
        register >> self.flag & 1 != 0
    }
}

/// Each bit alone, all together, and the caches off.
fn take_cr0() -> Verdict {
    let first = read_cr0();
    let all = FREE.into_iter().fold(0, |all, bit| all | bit);
    let single = FREE.into_iter().flat_map(|bit| [first | bit, first & !bit]);
    let uncached = [cr0::CD, cr0::CD | cr0::NW].map(|bits| first | bits);
    for value in single
        .chain([first | all, first & !all])
        .chain(uncached)
        .chain([first])
    {
        let written = write_cr0(value);
        check_taken("CR0", value, read_cr0(), written)?;
    }
    Ok(())
}

/// Each bit that is offered can be set and cleared, whatever it was.
fn take_cr4() -> Verdict {
    let mut taken: u32 = 0;
    for feature in FEATURES.iter().filter(|feature| feature.is_offered()) {
        let first = read_cr4();
        let bit = 1 << feature.bit;
        for value in [first | bit, first & !bit, first] {
            let written = write_cr4(value);
            check_taken("CR4", value, read_cr4(), written)?;
        }
        taken = taken.wrapping_add(1);
    }
    say!("{taken} bits of CR4 taken");
    Ok(())
}

fn check_taken(register: &str, value: u64, read: u64, written: Result<(), Exception>) -> Verdict {
    let taken = written.is_ok() && read == value;
    ensure!(
        taken,
        "{register} = {value:#x}: {written:?}, reads {read:#x}"
    );
    Ok(())
}

/// No 64-bit mode without paging and protection, no write-back without caches, no upper half.
fn refuse_cr0() -> Verdict {
    let first = read_cr0();
    for value in [
        first & !cr0::PG,
        first & !cr0::PE,
        first & !(cr0::PG | cr0::PE),
        first & !cr0::CD | cr0::NW,
        first | 1 << 32,
        first | 1 << 63,
    ] {
        let written = write_cr0(value);
        check_refused("CR0", value, written)?;
        ensure!(read_cr0() == first, "CR0 changed by {value:#x}");
    }
    Ok(())
}

/// What is not offered, what is reserved, and LA57, which cannot change in 64-bit mode.
fn refuse_cr4() -> Verdict {
    let hidden = FEATURES.iter().filter(|feature| !feature.is_offered());
    let bits = hidden.map(|feature| feature.bit).chain(RESERVED);
    let bits = bits.map(|bit| 1 << bit).chain([cr4::LA57]);
    let mut refused: u32 = 0;
    for bit in bits {
        let first = read_cr4();
        let value = first ^ bit;
        let written = write_cr4(value);
        check_refused("CR4", value, written)?;
        ensure!(read_cr4() == first, "CR4 changed by {value:#x}");
        refused = refused.wrapping_add(1);
    }
    say!("{refused} bits of CR4 refused");
    Ok(())
}

fn check_refused(register: &str, value: u64, written: Result<(), Exception>) -> Verdict {
    let refused = written.is_err_and(|exception| exception.vector == Exception::GENERAL_PROTECTION);
    ensure!(refused, "{register} = {value:#x}: {written:?}");
    Ok(())
}
