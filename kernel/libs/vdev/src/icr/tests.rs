extern crate std;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const OWN: &[ApicId] = &[ApicId(2), ApicId(3), ApicId(0x12), ApicId(0x13)];

/// The cores of `own` in `targets`.
fn cores(targets: Targets, own: &[ApicId]) -> impl Iterator<Item = ApicId> + '_ {
    targets.iter().map(|index| own[index])
}

fn targets(value: u64) -> Result<Vec<u32>, Refusal> {
    check(value, ApicId(3), OWN)
        .map(|request| cores(request.targets, OWN).map(|core| core.0).collect())
}

fn passes(value: u64, own: &[ApicId]) -> bool {
    let (low, destination) = (value as u32, (value >> 32) as u32);
    is_own_unicast(destination, low, &OwnCores::new(own))
}

fn to(destination: u32, low: u64) -> u64 {
    u64::from(destination) << 32 | low
}

#[test]
fn a_fixed_interrupt_to_an_own_core_passes() {
    let request = check(to(2, 0x40fd), ApicId(3), OWN).unwrap();
    assert_eq!(request.kind, Kind::Fixed { vector: 0xfd });
    assert_eq!(request.targets.0, 0b0001);
    assert!(passes(to(2, 0x40fd), OWN));
    assert!(passes(to(0x12, 0xfd), OWN));
}

#[test]
fn a_foreign_core_is_refused() {
    for foreign in [0, 1, 4, 0x102, 0xff, 0xffff_fffe] {
        assert_eq!(targets(to(foreign, 0xfd)), Err(Refusal::ForeignCore));
        assert!(!passes(to(foreign, 0xfd), OWN));
    }
}

#[test]
fn shorthands_stay_within_the_partition() {
    assert_eq!(targets(0x4_00fd), Ok([3].to_vec()));
    assert_eq!(targets(0x8_00fd), Ok([2, 3, 0x12, 0x13].to_vec()));
    assert_eq!(targets(0xc_00fd), Ok([2, 0x12, 0x13].to_vec()));
    assert_eq!(targets(0xc_0400), Ok([2, 0x12, 0x13].to_vec()));
    assert_eq!(targets(0x4_0400), Err(Refusal::DeliveryMode));
    assert_eq!(targets(0x8_0500), Err(Refusal::DeliveryMode));
}

#[test]
fn a_broadcast_stays_within_the_partition() {
    for low in [0xfd, 0x8fd] {
        assert_eq!(targets(to(u32::MAX, low)), Ok([2, 3, 0x12, 0x13].to_vec()));
        assert!(!passes(to(u32::MAX, low), OWN));
        assert!(!passes(to(u32::MAX, low), &[ApicId(u32::MAX)]));
    }
}

#[test]
fn logical_destinations_name_cores_of_one_cluster() {
    assert_eq!(targets(to(0x0000_000c, 0x8fd)), Ok([2, 3].to_vec()));
    assert_eq!(targets(to(0x0001_0008, 0x8fd)), Ok([0x13].to_vec()));
    assert_eq!(targets(to(0x0001_001c, 0x8fd)), Err(Refusal::ForeignCore));
    assert_eq!(targets(to(0x0002_0004, 0x8fd)), Err(Refusal::ForeignCore));
    assert_eq!(targets(to(0x0001_0000, 0x8fd)), Err(Refusal::ForeignCore));
}

#[test]
fn lowest_priority_becomes_fixed_to_the_first() {
    let request = check(to(0x0000_000c, 0x9fd), ApicId(3), OWN).unwrap();
    assert_eq!(request.kind, Kind::Fixed { vector: 0xfd });
    assert_eq!(request.targets.0, 0b0001);
}

#[test]
fn init_and_start_up_are_decoded() {
    let init = check(to(0x12, 0xc500), ApicId(3), OWN).unwrap();
    assert_eq!((init.kind, init.targets.0), (Kind::Init, 0b0100));
    let start_up = check(to(0x12, 0x0699), ApicId(3), OWN).unwrap();
    assert_eq!(start_up.kind, Kind::StartUp { vector: 0x99 });
}

#[test]
fn an_init_level_de_assert_is_ignored() {
    let request = check(to(0x12, 0x8500), ApicId(3), OWN).unwrap();
    assert!(request.targets.is_empty());
}

#[test]
fn dangerous_modes_and_vectors_are_refused() {
    for mode in [0x200, 0x300, 0x700] {
        assert_eq!(targets(to(2, mode | 0xfd)), Err(Refusal::DeliveryMode));
    }
    assert_eq!(targets(to(2, 0x0f)), Err(Refusal::Vector));
    assert_eq!(targets(to(2, 0x10f)), Err(Refusal::Vector));
    assert_eq!(targets(to(2, 0x20fd)), Err(Refusal::ReservedBits));
    assert_eq!(targets(to(2, 0x1_00fd)), Err(Refusal::ReservedBits));
    assert_eq!(targets(to(2, 0x8000_00fd)), Err(Refusal::ReservedBits));
}

#[test]
fn cores_beyond_the_64th_are_never_targets() {
    let many: Vec<ApicId> = (0..70).map(ApicId).collect();
    let request = check(0x8_00fd, ApicId(0), &many).unwrap();
    assert_eq!(cores(request.targets, &many).count(), 64);
}

proptest! {
    #[test]
    fn the_short_way_agrees_with_the_long_one(low in 0_u64..0x10_0000, destination in 0_u32..32) {
        let value = to(destination, low);
        if passes(value, OWN) {
            let request = check(value, ApicId(3), OWN).unwrap();
            prop_assert_eq!(request.targets.0.count_ones(), 1);
            let sent = unicast(request.kind, ApicId(destination));
            prop_assert_eq!(sent, value | u64::from(ASSERT));
        }
    }

    #[test]
    fn what_is_sent_passes_the_check_again(value: u64, own in prop::collection::vec(0_u32..64, 1..8)) {
        let own: Vec<ApicId> = own.into_iter().map(ApicId).collect();
        if let Ok(request) = check(value, own[0], &own) {
            for core in cores(request.targets, &own) {
                prop_assert!(own.contains(&core));
                let again = check(unicast(request.kind, core), own[0], &own).unwrap();
                prop_assert_eq!(again.kind, request.kind);
            }
        }
    }
}
