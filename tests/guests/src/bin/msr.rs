//! Reads and writes model-specific registers that belong to the machine, not to a partition.

#![no_std]
#![no_main]

use test_guests::instruction::{read_msr, write_msr};
use test_guests::{Exception, Verdict, ensure, guest, say};

guest!(main);

/// Registers whose read and whose write must both fault.
const DENIED: &[(u32, &str)] = &[
    (0x0000_0150, "voltage mailbox"),
    (0x0000_0199, "PERF_CTL"),
    (0x0000_019b, "thermal interrupt"),
    (0x0000_0400, "MC0_CTL"),
    (0x0000_0480, "VMX_BASIC"),
    (0x0000_0606, "RAPL power unit"),
    (0x0000_0610, "package power limit"),
    (0x0000_0620, "uncore ratio limit"),
    (0x0000_0770, "HWP enable"),
    (0x0000_0c8f, "PQR_ASSOC"),
    (0xc001_0061, "P-state limit"),
    (0xc001_0062, "P-state control"),
    (0xc001_0111, "SMM base"),
    (0xc001_0112, "SMM address"),
    (0xc001_0117, "VM_HSAVE_PA"),
    (0x1234_5678, "no register"),
    (0xffff_ffff, "no register"),
];

/// Registers of which some write must fault.
const DENIED_WRITES: &[(u32, u64, &str)] = &[
    (0x0000_001b, 0, "APIC_BASE, APIC off"),
    (0x0000_001b, 0xfee0_0800, "APIC_BASE, xAPIC mode"),
    (0x0000_003a, 1 << 2, "FEATURE_CONTROL, VMX on"),
    (0x0000_0079, 0x20_0000, "microcode update"),
    (0x0000_0802, 0, "APIC ID"),
    (0xc000_0080, 0x1d01, "EFER.SVME"),
    (0xc001_0020, 0x20_0000, "microcode patch loader"),
];

fn main() -> Verdict {
    for (msr, name) in DENIED {
        let read = read_msr(*msr);
        ensure!(is_protection(read), "read of {msr:#x} ({name}): {read:x?}");
        let write = write_msr(*msr, 0);
        ensure!(
            is_protection(write),
            "write of {msr:#x} ({name}): {write:x?}"
        );
    }
    for (msr, value, name) in DENIED_WRITES {
        let write = write_msr(*msr, *value);
        ensure!(
            is_protection(write),
            "write of {value:#x} to {msr:#x} ({name}): {write:x?}"
        );
    }
    say!(
        "{} registers denied",
        DENIED.len().wrapping_add(DENIED_WRITES.len())
    );
    Ok(())
}

fn is_protection<T>(result: Result<T, Exception>) -> bool {
    result.is_err_and(|exception| exception.vector == Exception::GENERAL_PROTECTION)
}
