//! Reads and writes model-specific registers that belong to the machine, not to a partition.

#![no_std]
#![no_main]

use test_guests::instruction::{read_msr, write_msr};
use test_guests::{Exception, Verdict, ensure, guest, say};

guest!(main);

/// Registers, from the first to the last, whose read and whose write must both fault.
const DENIED: &[(u32, u32, &str)] = &[
    (0x0000_0034, 0x0000_0034, "SMI count"),
    (0x0000_003b, 0x0000_003b, "TSC_ADJUST"),
    (0x0000_009b, 0x0000_009b, "SMM monitor"),
    (0x0000_00c1, 0x0000_00c8, "performance counters"),
    (0x0000_00ce, 0x0000_00ce, "PLATFORM_INFO"),
    (0x0000_00e1, 0x0000_00e2, "UMWAIT_CONTROL, PKG_CST_CONFIG"),
    (0x0000_00e7, 0x0000_00e8, "MPERF, APERF"),
    (0x0000_010a, 0x0000_010a, "ARCH_CAPABILITIES"),
    (0x0000_0122, 0x0000_0123, "TSX_CTRL, MCU_OPT_CTRL"),
    (0x0000_0140, 0x0000_0140, "MISC_FEATURES_ENABLES"),
    (0x0000_0150, 0x0000_0150, "voltage mailbox"),
    (0x0000_0186, 0x0000_0189, "performance selects"),
    (0x0000_0198, 0x0000_019c, "PERF_STATUS, PERF_CTL, thermal"),
    (0x0000_01a2, 0x0000_01a2, "temperature target"),
    (0x0000_01ad, 0x0000_01ad, "turbo ratio limit"),
    (
        0x0000_01b0,
        0x0000_01b2,
        "energy preference, package thermal",
    ),
    (0x0000_01fc, 0x0000_01fc, "POWER_CTL"),
    (0x0000_0200, 0x0000_020f, "MTRR ranges"),
    (0x0000_0400, 0x0000_0403, "MC0"),
    (0x0000_0480, 0x0000_0491, "VMX capabilities"),
    (0x0000_0600, 0x0000_0600, "DS_AREA"),
    (0x0000_0606, 0x0000_0606, "RAPL power unit"),
    (0x0000_0610, 0x0000_061c, "RAPL package and memory"),
    (0x0000_0620, 0x0000_0621, "uncore ratio"),
    (0x0000_0638, 0x0000_0642, "RAPL cores and graphics"),
    (0x0000_0770, 0x0000_0774, "hardware P-states"),
    (0x0000_0c80, 0x0000_0c80, "debug interface"),
    (0x0000_0c8f, 0x0000_0c8f, "PQR_ASSOC"),
    (0xc001_0061, 0xc001_0064, "P-states"),
    (0xc001_0111, 0xc001_0113, "SMM base, address, mask"),
    (0xc001_0117, 0xc001_0117, "VM_HSAVE_PA"),
    (0x1234_5678, 0x1234_5678, "no register"),
    (0xffff_ffff, 0xffff_ffff, "no register"),
];

/// Registers of which some write must fault.
const DENIED_WRITES: &[(u32, u64, &str)] = &[
    (0x0000_001b, 0, "APIC_BASE, APIC off"),
    (0x0000_001b, 0xfee0_0800, "APIC_BASE, xAPIC mode"),
    (0x0000_003a, 1 << 2, "FEATURE_CONTROL, VMX on"),
    (0x0000_0079, 0x20_0000, "microcode update"),
    (0x0000_008b, 1, "microcode revision"),
    (0x0000_01a0, 1 << 16, "MISC_ENABLE, SpeedStep"),
    (0x0000_01d9, 1, "DEBUGCTL, branch records"),
    (0x0000_0802, 0, "APIC ID"),
    (0x0000_0da0, 1 << 8, "XSS, trace"),
    (0xc000_0080, 0x1d01, "EFER.SVME"),
    (0xc001_0020, 0x20_0000, "microcode patch loader"),
];

fn main() -> Verdict {
    let mut denied: u32 = 0;
    for (first, last, name) in DENIED {
        for msr in *first..=*last {
            let read = read_msr(msr);
            ensure!(is_protection(read), "read of {msr:#x} ({name}): {read:x?}");
            let write = write_msr(msr, 0);
            ensure!(
                is_protection(write),
                "write of {msr:#x} ({name}): {write:x?}"
            );
            denied = denied.wrapping_add(1);
        }
    }
    for (msr, value, name) in DENIED_WRITES {
        let write = write_msr(*msr, *value);
        ensure!(
            is_protection(write),
            "write of {value:#x} to {msr:#x} ({name}): {write:x?}"
        );
    }
    say!(
        "{denied} registers denied, and {} writes",
        DENIED_WRITES.len()
    );
    Ok(())
}

fn is_protection<T>(result: Result<T, Exception>) -> bool {
    result.is_err_and(|exception| exception.vector == Exception::GENERAL_PROTECTION)
}
