mod intel;

use proptest::prelude::*;

use super::*;

const FULL: Answer = Answer {
    eax: u32::MAX,
    ebx: u32::MAX,
    ecx: u32::MAX,
    edx: u32::MAX,
};

/// A processor that claims to have everything.
fn everything(vendor: [u8; 4]) -> impl Fn(u32, u32) -> Answer {
    move |leaf, subleaf| match (leaf, subleaf) {
        (0, _) => Answer {
            eax: 0x23,
            ebx: u32::from_le_bytes(vendor),
            ..FULL
        },
        (0x8000_0000, _) => Answer {
            eax: 0x8000_0028,
            ..FULL
        },
        (0xd, 2) => Answer {
            eax: 256,
            ebx: 576,
            ecx: 0,
            edx: 0,
        },
        (0xd, 5..=7 | 9) => Answer {
            eax: 8,
            ebx: 2688,
            ecx: 0,
            edx: 0,
        },
        (0xd, 17 | 18) => Answer {
            eax: 8192,
            ebx: 2816,
            ecx: 2,
            edx: 0,
        },
        _ => FULL,
    }
}

struct Counted;

impl Counts for Counted {
    fn guest_exits(&self, reason: ExitReason) -> u64 {
        if reason == ExitReason::Cpuid {
            0x1_0000_0002
        } else {
            0
        }
    }

    fn starts(&self) -> u64 {
        3 << 32 | 7
    }
}

const OWN: &[ApicId] = &[ApicId(2), ApicId(9)];

fn guest() -> GuestIdentity<'static> {
    GuestIdentity {
        processor: Processor::detect(|_, _| Answer::ZERO),
        apic_id: ApicId(9),
        own: OWN,
        tsc_hz: Some(2_400_000_000),
        partition_name: "a-name-of-over-sixteen",
        counts: &Counted,
    }
}

/// The answer to a guest with this CR4, on the processor that `native` is.
fn answer_with(
    cr4: u64,
    (leaf, subleaf): (u32, u32),
    native: impl Fn(u32, u32) -> Answer,
    guest: &GuestIdentity<'_>,
) -> Answer {
    let guest = GuestIdentity {
        processor: Processor::detect(&native),
        ..*guest
    };
    super::answer(leaf, subleaf, native, cr4, &guest)
}

/// The same with no bit of CR4 set.
fn answer(
    leaf: u32,
    subleaf: u32,
    native: impl Fn(u32, u32) -> Answer,
    guest: &GuestIdentity<'_>,
) -> Answer {
    answer_with(0, (leaf, subleaf), native, guest)
}

fn amd(leaf: u32, subleaf: u32) -> Answer {
    answer(leaf, subleaf, everything(*b"Auth"), &guest())
}

fn intel(leaf: u32, subleaf: u32) -> Answer {
    answer(leaf, subleaf, everything(*b"Genu"), &guest())
}

#[test]
fn virtualisation_is_hidden_and_a_hypervisor_shown() {
    assert_eq!(intel(1, 0).ecx & (1 << 5 | 1 << 6 | 1 << 3), 0);
    assert_eq!(amd(0x8000_0001, 0).ecx & (1 << 2), 0);
    assert_eq!(amd(0x8000_000a, 0), Answer::ZERO);
    for bit in [21, 31] {
        assert_ne!(intel(1, 0).ecx & (1 << bit), 0);
    }
}

#[test]
fn what_linux_needs_is_there() {
    let features = amd(1, 0);
    // FPU, PSE, MSR, PAE, CX8, APIC, MTRR, PGE, CMOV, PAT, FXSR, SSE, SSE2.
    for bit in [0, 3, 5, 6, 8, 9, 12, 13, 15, 16, 24, 25, 26] {
        assert_ne!(features.edx & (1 << bit), 0, "{bit}");
    }
    // Long mode, NX, SYSCALL, 1 GiB pages, RDTSCP.
    for bit in [29, 20, 11, 26, 27] {
        assert_ne!(amd(0x8000_0001, 0).edx & (1 << bit), 0, "{bit}");
    }
}

#[test]
fn what_would_cause_denied_accesses_is_hidden() {
    assert_eq!(amd(1, 0).edx & (1 << 7 | 1 << 14 | 1 << 22), 0);
    assert_eq!(intel(7, 0).ebx & (1 << 1 | 1 << 2 | 1 << 25), 0);
    assert_eq!(intel(7, 0).ecx & (1 << 5 | 1 << 7 | 1 << 13 | 1 << 31), 0);
    assert_eq!(
        intel(7, 0).edx & (1 << 5 | 1 << 20 | 1 << 24 | 1 << 29 | 1 << 30),
        0
    );
    for leaf in [0x1b, 0x1c, 0x1f, 0x20, 0x22, 0x26] {
        assert_eq!(amd(0x8000_0000 | leaf, 0), Answer::ZERO, "{leaf:#x}");
    }
}

#[test]
fn the_highest_leaves_are_bounded() {
    assert_eq!(intel(0, 0).eax, 0x1f);
    assert_eq!(amd(0x8000_0000, 0).eax, 0x8000_0021);
    let old = |leaf, _| {
        if leaf == 0 {
            Answer { eax: 4, ..FULL }
        } else {
            FULL
        }
    };
    assert_eq!(answer(0, 0, old, &guest()).eax, 4);
    assert_eq!(answer(7, 0, old, &guest()), Answer::ZERO);
    assert_eq!(answer(0xb, 0, old, &guest()), Answer::ZERO);
}

#[test]
fn a_core_knows_itself() {
    assert_eq!(amd(1, 0).ebx, 0x0902_ff00);
    assert_ne!(amd(1, 0).edx & (1 << 28), 0);
    let alone = GuestIdentity {
        own: &[ApicId(9)],
        ..guest()
    };
    assert_eq!(
        answer(1, 0, everything(*b"Auth"), &alone).edx & (1 << 28),
        0
    );
    assert_eq!(
        answer(0x8000_0001, 0, everything(*b"Auth"), &alone).ecx & 2,
        0
    );
}

#[test]
fn topology_is_one_package_of_single_threaded_cores() {
    assert_eq!(
        intel(0xb, 0),
        Answer {
            eax: 0,
            ebx: 1,
            ecx: 0x100,
            edx: 9
        }
    );
    assert_eq!(
        intel(0xb, 1),
        Answer {
            eax: 4,
            ebx: 2,
            ecx: 0x201,
            edx: 9
        }
    );
    assert_eq!(
        intel(0xb, 2),
        Answer {
            eax: 0,
            ebx: 0,
            ecx: 2,
            edx: 9
        }
    );
    assert_eq!(intel(0x1f, 1), intel(0xb, 1));
    assert_eq!(
        amd(0x8000_001e, 0),
        Answer {
            eax: 9,
            ebx: 9,
            ecx: 0,
            edx: 0
        }
    );
    assert_eq!(amd(0x8000_0008, 0).ecx, 0x4001);
    assert_eq!(intel(0x8000_0008, 0).ecx, 0);
    assert_eq!(intel(0x8000_001e, 0), Answer::ZERO);
}

#[test]
fn os_bits_mirror_the_guests_cr4() {
    assert_eq!(amd(1, 0).ecx & (1 << 27), 0);
    assert_eq!(amd(7, 0).ecx & (1 << 4), 0);
    let enabled = |leaf| {
        let cr4 = 1 << 18 | 1 << 22;
        answer_with(cr4, (leaf, 0), everything(*b"Auth"), &guest())
    };
    assert_ne!(enabled(1).ecx & (1 << 27), 0);
    assert_ne!(enabled(7).ecx & (1 << 4), 0);
}

#[test]
fn extended_state_is_that_of_the_offered_components() {
    let state = intel(0xd, 0);
    assert_eq!((state.eax, state.ecx, state.edx), (0x2e7, 2696, 0));
    assert_eq!(
        intel(0xd, 1),
        Answer {
            eax: 0xf,
            ebx: u32::MAX,
            ecx: 0,
            edx: 0
        }
    );
    assert_eq!(intel(0xd, 2).eax, 256);
    for hidden in [3, 4, 8, 11, 17, 18, 31, 32, 62, u32::MAX] {
        assert_eq!(intel(0xd, hidden), Answer::ZERO, "{hidden}");
    }
}

#[test]
fn xcr0_takes_only_whole_and_offered_sets() {
    let mask = xcr0_mask(everything(*b"Genu"));
    assert_eq!(mask, 0x2e7);
    for valid in [1, 3, 7, 0xe7, 0x2e7, 0x203] {
        assert!(is_valid_xcr0(valid, mask), "{valid:#x}");
    }
    let no_x87 = [0, 2, 0x2e6];
    // AVX without SSE, AVX-512 in part or without AVX.
    let incomplete = [5, 0x27, 0x47, 0xa7, 0xe3];
    // MPX and tiles, whole and half; trace, which is supervisor state; what nobody has.
    let not_offered = [
        0x1b,
        0xb,
        0x13,
        0x6_02e7,
        0x2_0007,
        0x4_0007,
        0x103,
        1 << 63 | 7,
    ];
    for invalid in no_x87.into_iter().chain(incomplete).chain(not_offered) {
        assert!(!is_valid_xcr0(invalid, mask), "{invalid:#x}");
    }
    let without_xsave = |leaf, _| {
        if leaf == 0 {
            Answer { eax: 1, ..FULL }
        } else {
            FULL
        }
    };
    assert_eq!(xcr0_mask(without_xsave), 1);
}

#[test]
fn the_signature_is_kvms_and_offers_the_clock_only() {
    let signature = amd(0x4000_0000, 0);
    assert_eq!(signature.eax, 0x4000_0001);
    assert_eq!(signature.ebx, 0x4b4d_564b);
    assert_eq!(signature.ecx, 0x564b_4d56);
    assert_eq!(signature.edx, 0x4d);
    assert_eq!(
        amd(0x4000_0001, 0),
        Answer {
            eax: 0x0100_0008,
            ..Answer::ZERO
        }
    );
    assert_eq!(amd(0x4000_0010, 0), Answer::ZERO);
}

#[test]
fn a_program_can_count_its_partitions_exits() {
    assert_eq!(amd(0x4000_0100, 0).eax, 0x4000_0103);
    assert_eq!(amd(0x4000_0100, 0).ebx.to_le_bytes(), *b"Bulk");
    let cpuid = u32::try_from(ExitReason::Cpuid.index()).unwrap();
    assert_eq!(
        amd(0x4000_0101, cpuid),
        Answer {
            eax: 2,
            ebx: 0,
            ecx: 1,
            edx: 1
        }
    );
    let count = u32::try_from(ExitReason::COUNT).unwrap();
    assert_eq!(amd(0x4000_0101, count), Answer::ZERO);
}

#[test]
fn a_program_can_tell_which_guest_of_its_partition_it_is_in() {
    let starts = Answer {
        eax: 7,
        edx: 3,
        ..Answer::ZERO
    };
    assert_eq!(amd(0x4000_0103, 0), starts);
    assert_eq!(amd(0x4000_0104, 0), Answer::ZERO);
}

#[test]
fn a_program_can_read_its_partitions_name() {
    assert_eq!(amd(0x4000_0102, 0).eax.to_le_bytes(), *b"a-na");
    assert_eq!(amd(0x4000_0102, 1).eax.to_le_bytes(), *b"ixte");
    assert_eq!(amd(0x4000_0102, 1).ebx.to_le_bytes(), *b"en\0\0");
    assert_eq!(amd(0x4000_0102, 2), Answer::ZERO);
    assert_eq!(amd(0x4000_0102, u32::MAX), Answer::ZERO);
}

proptest! {
    #[test]
    fn no_leaf_panics_and_unknown_ranges_are_zero(leaf: u32, subleaf: u32) {
        let found = amd(leaf, subleaf);
        if !matches!(leaf >> 28, 0 | 4 | 8) {
            prop_assert_eq!(found, Answer::ZERO);
        }
    }
}
