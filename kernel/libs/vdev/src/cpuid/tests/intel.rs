//! What is particular to Intel's servers, by the answers of one with 64 threads.

use super::*;

/// 25 MHz × 168 / 2: the TSC of a server at 2.1 GHz.
const TSC_HZ: u64 = 2_100_000_000;

fn server(leaf: u32, subleaf: u32) -> Answer {
    let eax = |eax| Answer { eax, ..FULL };
    match (leaf, subleaf) {
        (0, _) => Answer {
            eax: 0x20,
            ebx: u32::from_le_bytes(*b"Genu"),
            ..FULL
        },
        // L1 data of two threads, L3 of 64, no third cache; 32 cores in the package.
        (4, 0) => eax(31 << 26 | 1 << 14 | 0x121),
        (4, 1) => eax(31 << 26 | 63 << 14 | 0x163),
        (4, _) => Answer::ZERO,
        (0x15, _) => Answer {
            eax: 2,
            ebx: 168,
            ecx: 25_000_000,
            edx: 0xdead,
        },
        _ => FULL,
    }
}

fn guest_with(tsc_hz: u64, own: &'static [ApicId]) -> GuestIdentity<'static> {
    GuestIdentity {
        own,
        tsc_hz: Some(tsc_hz),
        ..guest()
    }
}

fn ask(leaf: u32, subleaf: u32) -> Answer {
    answer(leaf, subleaf, server, &guest_with(TSC_HZ, OWN))
}

#[test]
fn caches_are_shared_by_no_more_than_the_package_has() {
    // The APIC IDs are 2 and 9: 4 bits, so the last identifier is 15.
    assert_eq!(ask(4, 0).eax, 15 << 26 | 1 << 14 | 0x121);
    assert_eq!(ask(4, 1).eax, 15 << 26 | 15 << 14 | 0x163);
    assert_eq!(ask(4, 0).ebx, u32::MAX);
    assert_eq!(ask(4, 2), Answer::ZERO);
    let alone = guest_with(TSC_HZ, &[ApicId(0)]);
    assert_eq!(answer(4, 1, server, &alone).eax, 0x163);
    let huge = guest_with(TSC_HZ, &[ApicId(u32::MAX)]);
    assert_eq!(answer(4, 1, server, &huge).eax, 63 << 26 | 63 << 14 | 0x163);
}

#[test]
fn the_other_vendors_caches_are_treated_alike() {
    let native = |leaf, _| match leaf {
        0x8000_001d => Answer {
            eax: 63 << 14 | 0x163,
            ..FULL
        },
        0x8000_0000 => Answer {
            eax: 0x8000_001e,
            ..FULL
        },
        _ => FULL,
    };
    assert_eq!(
        answer(0x8000_001d, 3, native, &guest()).eax,
        15 << 14 | 0x163
    );
}

#[test]
fn the_crystal_is_told_where_the_clock_page_tells_the_same() {
    let crystal = Answer {
        eax: 2,
        ebx: 168,
        ecx: 25_000_000,
        edx: 0,
    };
    assert_eq!(ask(0x15, 0), crystal);
    for measured in [TSC_HZ + 1, 50_000_000] {
        let guest = guest_with(measured, OWN);
        assert_eq!(answer(0x15, 0, server, &guest), Answer::ZERO);
    }
    let untold = GuestIdentity {
        tsc_hz: None,
        ..guest()
    };
    for leaf in [0x15, 0x16] {
        assert_eq!(answer(leaf, 0, server, &untold), Answer::ZERO, "{leaf:#x}");
    }
    let silent = |leaf, subleaf| Answer {
        ecx: 0,
        ..server(leaf, subleaf)
    };
    assert_eq!(answer(0x15, 0, silent, &untold), Answer::ZERO);
}

#[test]
fn the_frequency_in_mhz_is_the_measured_one_rounded() {
    for (hz, mhz) in [
        (TSC_HZ, 2100),
        (2_099_500_000, 2100),
        (2_099_499_999, 2099),
        (50_000_000, 50),
        (u64::MAX, 0),
    ] {
        let found = answer(0x16, 0, server, &guest_with(hz, OWN));
        let expected = Answer {
            eax: mhz,
            ebx: mhz,
            ..Answer::ZERO
        };
        assert_eq!(found, expected, "{hz}");
    }
    assert_eq!(amd(0x16, 0), Answer::ZERO);
}

#[test]
fn of_power_only_the_running_timer_shows() {
    let timer = Answer {
        eax: 1 << 2,
        ..Answer::ZERO
    };
    assert_eq!(ask(6, 0), timer);
}

#[test]
fn transactions_are_hidden() {
    // HLE and RTM; TSX_FORCE_ABORT, RTM_ALWAYS_ABORT and TSXLDTRK.
    assert_eq!(ask(7, 0).ebx & (1 << 4 | 1 << 11), 0);
    assert_eq!(ask(7, 0).edx & (1 << 11 | 1 << 13 | 1 << 16), 0);
}

#[test]
fn what_a_server_has_and_partitions_do_not_is_hidden() {
    // Serial number, MONITOR, cache hints, performance counters; RDT, SGX, trace, vendor,
    // address translation, key locker; hybrid, PCONFIG, LBR, tiles, history reset.
    let leaves = [3, 5, 9, 0xa].into_iter();
    let leaves = leaves.chain([0xf, 0x10, 0x12, 0x14, 0x17, 0x18, 0x19]);
    for leaf in leaves.chain([0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x20]) {
        assert_eq!(ask(leaf, 0), Answer::ZERO, "{leaf:#x}");
    }
    // VMX, SMX; DS; HYBRID.
    assert_eq!(ask(1, 0).ecx & (1 << 5 | 1 << 6), 0);
    assert_eq!(ask(1, 0).edx & (1 << 21), 0);
    assert_eq!(ask(7, 0).edx & (1 << 15), 0);
}

#[test]
fn no_supervisor_state_shows() {
    // The bits of supervisor components, and a leaf of each.
    let features = ask(0xd, 1);
    assert_eq!((features.ecx, features.edx), (0, 0));
    for component in [8, 10, 11, 12, 13, 14, 15, 16] {
        assert_eq!(ask(0xd, component), Answer::ZERO, "{component}");
    }
    assert_eq!(ask(0xd, 2).ecx & 1, 0);
}
