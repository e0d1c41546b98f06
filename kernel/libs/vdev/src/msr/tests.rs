use proptest::prelude::*;

use super::*;
use crate::cpuid::Answer;

/// A processor of `vendor` that has everything, or nothing.
fn processor(vendor: [u8; 4], features: u32) -> Processor {
    Processor::detect(|leaf, _| match leaf {
        0 => Answer {
            eax: 0x20,
            ebx: u32::from_le_bytes(vendor),
            ..Answer::ZERO
        },
        0x8000_0000 => Answer {
            eax: 0x8000_0021,
            ..Answer::ZERO
        },
        _ => Answer {
            eax: features,
            ebx: features,
            ecx: features,
            edx: features,
        },
    })
}

fn amd() -> Context {
    Context {
        processor: processor(*b"Auth", u32::MAX),
        bootstrap_processor: true,
    }
}

fn intel() -> Context {
    Context {
        processor: processor(*b"Genu", u32::MAX),
        bootstrap_processor: false,
    }
}

#[test]
fn the_table_is_sorted_and_its_rules_do_not_overlap() {
    // The KVM numbers, between the two architectural ranges, fit the order as well.
    for pair in TABLE.windows(2) {
        assert!(pair[0].first <= pair[0].last);
        assert!(pair[0].last < pair[1].first, "{:#x}", pair[1].first);
    }
}

#[test]
fn native_registers_are_within_what_both_bitmaps_cover() {
    let covered = [
        (0, 0x1fff),
        (0xc000_0000, 0xc000_1fff),
        (0xc001_0000, 0xc001_1fff),
    ];
    for rule in native(amd().processor).chain(native(intel().processor)) {
        assert!(
            covered
                .iter()
                .any(|(first, last)| *first <= rule.first && rule.last <= *last)
        );
    }
}

/// What belongs to the machine, whoever made it.
const MACHINES: [(u32, u32, &str); 26] = [
    (0x34, 0x34, "SMI count"),
    (0x3b, 0x3b, "TSC_ADJUST"),
    (0x79, 0x79, "microcode update"),
    (0x9b, 0x9b, "SMM monitor"),
    (0xc1, 0xc8, "performance counters"),
    (0xce, 0xce, "PLATFORM_INFO"),
    (0xe1, 0xe2, "UMWAIT, C-states"),
    (0xe7, 0xe8, "MPERF, APERF"),
    (0x10a, 0x10a, "ARCH_CAPABILITIES"),
    (0x122, 0x123, "TSX, microcode options"),
    (0x140, 0x140, "MISC_FEATURES_ENABLES"),
    (0x150, 0x150, "voltage"),
    (0x186, 0x18d, "performance selects"),
    (0x198, 0x19c, "P-states, clock modulation, thermal"),
    (0x1a2, 0x1ad, "temperature target to turbo ratio limits"),
    (0x1b0, 0x1b2, "energy preference, package thermal"),
    (0x1fc, 0x1fc, "POWER_CTL"),
    (0x200, 0x276, "MTRR ranges"),
    (0x400, 0x4ff, "machine-check banks, VMX capabilities"),
    (0x600, 0x65f, "debug store, RAPL"),
    (0x770, 0x777, "hardware P-states"),
    (0xc80, 0xc8f, "debug interface, RDT"),
    (0xc001_0061, 0xc001_0071, "P-states"),
    (0xc001_0111, 0xc001_0113, "SMM"),
    (VM_HSAVE_PA, VM_HSAVE_PA, "host save area"),
    (u32::MAX, u32::MAX, "nothing"),
];

#[test]
fn everything_else_is_denied() {
    for (first, last, name) in MACHINES {
        for msr in first..=last {
            for context in [amd(), intel()] {
                assert_eq!(read(msr, &context), ReadOutcome::Fault, "{msr:#x}, {name}");
                let outcome = write(msr, 0, &context);
                assert_eq!(outcome, WriteOutcome::Fault, "{msr:#x}, {name}");
            }
        }
    }
}

#[test]
fn linux_on_intel_finds_what_it_does_not_ask_for_carefully() {
    // Linux 6.1, arch/x86/kernel: cpu/intel.c, cpu/feat_ctl.c, fpu/xstate.c. Where it uses
    // `rdmsrl_safe`, a fault is an answer.
    assert_eq!(write(BIOS_SIGN_ID, 0, &intel()), WriteOutcome::Ignore);
    assert_eq!(access(BIOS_SIGN_ID, intel().processor).0, Native);
    assert_eq!(read(PLATFORM_ID, &intel()), ReadOutcome::Value(0));
    // Fast strings, without which it gives up REP MOVSB, and no limit of CPUID's leaves.
    let ReadOutcome::Value(enable) = read(MISC_ENABLE, &intel()) else {
        panic!("MISC_ENABLE faults");
    };
    assert_eq!(enable & (1 << 0 | 1 << 22), 1);
    assert_eq!(write(MISC_ENABLE, enable, &intel()), WriteOutcome::Ignore);
    // Locked, so that it does not write.
    assert_eq!(read(FEATURE_CONTROL, &intel()), ReadOutcome::Value(1));
    assert_eq!(write(XSS, 0, &intel()), WriteOutcome::Ignore);
}

#[test]
fn fixed_registers_of_intel_take_no_other_value() {
    for (msr, value) in [
        (MISC_ENABLE, 0),
        (MISC_ENABLE, 1 << 0 | 1 << 16),
        (FEATURE_CONTROL, 0),
        (FEATURE_CONTROL, 1 << 2),
        (DEBUGCTL, 1),
        (XSS, 1 << 8),
        (BIOS_SIGN_ID, 1),
        (MCG_STATUS, 4),
    ] {
        assert_eq!(write(msr, value, &intel()), WriteOutcome::Fault, "{msr:#x}");
    }
}

#[test]
fn one_vendors_registers_do_not_exist_on_the_other() {
    assert_eq!(read(HWCR, &intel()), ReadOutcome::Fault);
    assert_eq!(read(HWCR, &amd()), ReadOutcome::Value(1 << 24));
    assert_eq!(read(MISC_ENABLE, &amd()), ReadOutcome::Fault);
    assert_eq!(read(VM_CR, &amd()), ReadOutcome::Value(0x18));
}

#[test]
fn registers_that_the_processor_lacks_are_not_opened() {
    let bare = processor(*b"Auth", 0);
    for msr in [0x48, 0x49, 0x10b, 0x6e0, 0xc000_0103, XSS] {
        assert_eq!(access(msr, bare), (Denied, Denied), "{msr:#x}");
        assert_ne!(access(msr, amd().processor), (Denied, Denied), "{msr:#x}");
    }
}

#[test]
fn only_the_icr_and_the_local_vector_table_of_the_apic_trap_on_write() {
    let emulated: [u32; 8] = [0x82f, 0x830, 0x833, 0x834, 0x835, 0x836, 0x837, 0x1b];
    for msr in (0x800..0x900).chain([0x1b]) {
        let write = access(msr, amd().processor).1;
        assert_eq!(write == Emulated, emulated.contains(&msr), "{msr:#x}");
    }
}

#[test]
fn the_apic_is_in_x2apic_mode_for_good() {
    assert_eq!(read(APIC_BASE, &amd()), ReadOutcome::Value(0xfee0_0d00));
    assert_eq!(read(APIC_BASE, &intel()), ReadOutcome::Value(0xfee0_0c00));
    assert_eq!(write(APIC_BASE, 0xfee0_0d00, &amd()), WriteOutcome::Ignore);
    for other in [0xfee0_0900, 0xfed0_0d00, 0xfee0_0500, 0] {
        assert_eq!(write(APIC_BASE, other, &amd()), WriteOutcome::Fault);
    }
}

#[test]
fn linux_finds_write_back_memory_and_keeps_pat() {
    assert_eq!(read(MTRRCAP, &amd()), ReadOutcome::Value(0x400));
    assert_eq!(read(MTRR_DEF_TYPE, &amd()), ReadOutcome::Value(0x806));
    // Linux switches MTRRs off and on again around the set-up of PAT.
    assert_eq!(
        write(MTRR_DEF_TYPE, 0x806 & !0xcff, &amd()),
        WriteOutcome::Ignore
    );
    assert_eq!(write(MTRR_DEF_TYPE, 0x806, &amd()), WriteOutcome::Ignore);
    assert_eq!(write(MTRR_DEF_TYPE, 0x1806, &amd()), WriteOutcome::Fault);
}

#[test]
fn efer_never_carries_svme() {
    assert_eq!(read(EFER, &amd()), ReadOutcome::Efer);
    assert_eq!(write(EFER, 0xd01, &amd()), WriteOutcome::SetEfer(0xd01));
    assert_eq!(write(EFER, 0x1d01, &amd()), WriteOutcome::Fault);
}

#[test]
fn the_clock_registers_take_aligned_addresses() {
    let page = GuestPhysical::new(0x1234_5640);
    assert_eq!(
        write(KVM_SYSTEM_TIME, 0x1234_5641, &amd()),
        WriteOutcome::SystemTime(page)
    );
    assert_eq!(
        write(KVM_SYSTEM_TIME, 0x1234_5640, &amd()),
        WriteOutcome::Ignore
    );
    assert_eq!(
        write(KVM_SYSTEM_TIME, 0x1234_5643, &amd()),
        WriteOutcome::Fault
    );
    assert_eq!(
        write(KVM_WALL_CLOCK, 0x1234_5640, &amd()),
        WriteOutcome::WallClock(page)
    );
    assert_eq!(
        write(KVM_WALL_CLOCK, 0x1234_5641, &amd()),
        WriteOutcome::Fault
    );
    assert_eq!(read(KVM_WALL_CLOCK, &amd()), ReadOutcome::Fault);
}

#[test]
fn interrupts_of_the_machine_cannot_be_routed_by_a_guest() {
    for msr in [local_vector_table::CMCI, local_vector_table::THERMAL] {
        assert_eq!(read(msr, &intel()), ReadOutcome::Value(1 << 16));
        assert_eq!(write(msr, 0x2f9, &intel()), WriteOutcome::Ignore);
    }
    // `icr::check` judges these.
    assert_eq!(access(X2APIC_ICR, amd().processor).1, Emulated);
}

proptest! {
    #[test]
    fn no_access_panics_and_untrapped_ones_fault(msr: u32, low in 0_u32..0x2000, value: u64) {
        for msr in [msr, low, 0xc000_0000 | low, 0xc001_0000 | low] {
            for context in [amd(), intel()] {
                let (reading, writing) = access(msr, context.processor);
                if reading == Emulated {
                    prop_assert_ne!(read(msr, &context), ReadOutcome::Fault);
                } else {
                    prop_assert_eq!(read(msr, &context), ReadOutcome::Fault);
                }
                if writing != Emulated {
                    prop_assert_eq!(write(msr, value, &context), WriteOutcome::Fault);
                }
            }
        }
    }
}
