extern crate std;

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// A table with a right length and checksum around `structures`.
fn sealed(flags: u8, structures: &[u8]) -> Vec<u8> {
    let mut bytes = b"DMAR".to_vec();
    bytes.resize(STRUCTURES, 0);
    bytes[37] = flags;
    bytes.extend_from_slice(structures);
    let length = u32::try_from(bytes.len()).unwrap();
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[9] = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

fn structure(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 4).unwrap();
    [&kind.to_le_bytes(), &length.to_le_bytes(), body].concat()
}

fn unit(flags: u8, registers: u64, scopes: &[u8]) -> Vec<u8> {
    structure(
        0,
        &[&[flags, 0, 0, 0][..], &registers.to_le_bytes(), scopes].concat(),
    )
}

fn reserved(base: u64, limit: u64, scopes: &[u8]) -> Vec<u8> {
    structure(
        1,
        &[
            &[0; 4][..],
            &base.to_le_bytes(),
            &limit.to_le_bytes(),
            scopes,
        ]
        .concat(),
    )
}

/// I/O APIC 0 at ff:00.0, as QEMU describes it.
const IO_APIC: [u8; 8] = [3, 8, 0, 0, 0, 0xff, 0, 0];
/// Function 0 of device 0 behind the bridge 00:1c.4.
const BEHIND_BRIDGE: [u8; 10] = [1, 10, 0, 0, 0, 0, 0x1c, 4, 0, 0];

#[test]
fn qemus_table_has_one_unit_for_everything() {
    let bytes = sealed(1, &unit(1, 0xfed9_0000, &IO_APIC));
    let dmar = Dmar::parse(&bytes).unwrap();
    assert!(dmar.supports_interrupt_remapping());
    let units: Vec<_> = dmar.hardware_units().collect();
    let registers = HostPhysical::new(0xfed9_0000);
    assert_eq!(
        units,
        [HardwareUnit {
            segment: 0,
            registers
        }]
    );
    assert_eq!(dmar.reserved().count(), 0);
}

#[test]
fn a_path_leads_through_bridges() {
    let scopes = [&BEHIND_BRIDGE[..], &IO_APIC].concat();
    let bytes = sealed(0, &reserved(0x7000_0000, 0x7000_ffff, &scopes));
    let dmar = Dmar::parse(&bytes).unwrap();
    assert!(!dmar.supports_interrupt_remapping());
    let scopes: Vec<_> = dmar.reserved().collect();
    assert_eq!((scopes[0].start_bus, scopes[1].start_bus), (0, 0xff));
    assert!(scopes[0].path().eq([(0x1c, 4), (0, 0)]));
    assert!(scopes[1].path().eq([(0, 0)]));
}

#[test]
fn other_structures_are_passed_over() {
    let structures = [
        structure(2, &[1, 0, 0, 0]),
        structure(0xffff, &[]),
        unit(1, 0x1000, &[]),
    ]
    .concat();
    let bytes = sealed(0, &structures);
    assert_eq!(Dmar::parse(&bytes).unwrap().hardware_units().count(), 1);
}

#[test]
fn malformed_structures_are_named_by_their_offset() {
    let good = unit(1, 0x1000, &[]);
    let second = STRUCTURES + good.len();
    let cases = [
        (vec![0, 0, 3, 0], DmarError::Structure(second)),
        (vec![0, 0], DmarError::Structure(second)),
        (vec![9, 0, 0, 0], DmarError::Structure(second)),
        (vec![9, 0, 0xff, 0xff], DmarError::Structure(second)),
        (structure(0, &[0; 8]), DmarError::Structure(second)),
        (structure(1, &[0; 12]), DmarError::Structure(second)),
        (reserved(0, 0, &[1, 0, 0, 0]), DmarError::Scope(second)),
        (
            reserved(0, 0, &[1, 6, 0, 0, 0, 0]),
            DmarError::Scope(second),
        ),
        (
            reserved(0, 0, &[1, 7, 0, 0, 0, 0, 0]),
            DmarError::Scope(second),
        ),
        (
            reserved(0, 0, &[1, 9, 0, 0, 0, 0, 0, 0]),
            DmarError::Scope(second),
        ),
    ];
    for (bad, error) in cases {
        let bytes = sealed(0, &[good.clone(), bad.clone()].concat());
        assert_eq!(Dmar::parse(&bytes).err(), Some(error), "{bad:x?}");
    }
}

#[test]
fn impossible_tables_are_refused() {
    let mut flipped = sealed(0, &unit(1, 0x1000, &[]));
    flipped[60] ^= 1;
    assert_eq!(
        Dmar::parse(&flipped).err(),
        Some(DmarError::Table(TableError::Checksum))
    );
    let other = b"DMAX".iter().copied().chain([0; 60]).collect::<Vec<_>>();
    assert!(matches!(Dmar::parse(&other), Err(DmarError::Table(_))));
    assert!(matches!(Dmar::parse(&[]), Err(DmarError::Table(_))));
}

/// Reads everything there is to read. The answer is the number of things found.
fn exhaust(bytes: &[u8]) -> usize {
    let Ok(dmar) = Dmar::parse(bytes) else {
        return 0;
    };
    let steps = dmar.reserved().map(|scope| scope.path().count() + 1);
    steps.sum::<usize>() + dmar.hardware_units().count()
}

fn any_structure() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let scope = prop::collection::vec(any::<u8>(), 0..12).prop_map(|mut scope| {
        let length = u8::try_from(scope.len()).unwrap();
        if let Some(field) = scope.get_mut(1) {
            *field = length;
        }
        scope
    });
    let scopes = prop::collection::vec(scope, 0..4).prop_map(|scopes| scopes.concat());
    prop_oneof![
        bytes(),
        (0_u16..6, bytes()).prop_map(|(kind, body)| structure(kind, &body)),
        (any::<u8>(), any::<u64>(), scopes)
            .prop_map(|(flags, at, scopes)| unit(flags, at, &scopes)),
        (any::<u64>(), any::<u64>(), bytes())
            .prop_map(|(base, limit, scopes)| reserved(base, limit, &scopes)),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exhaust(&bytes);
    }

    #[test]
    fn no_sealed_structures_make_the_parser_panic_or_find_too_much(
        structures in prop::collection::vec(any_structure(), 0..6),
    ) {
        let bytes = sealed(0, &structures.concat());
        prop_assert!(exhaust(&bytes) <= bytes.len());
    }

    #[test]
    fn a_cut_table_is_refused(end in 0_usize..80) {
        let bytes = sealed(0, &[unit(1, 0, &IO_APIC), unit(0, 0, &BEHIND_BRIDGE)].concat());
        prop_assert!(Dmar::parse(&bytes).is_ok());
        prop_assert!(Dmar::parse(&bytes[..end.min(bytes.len() - 1)]).is_err());
    }
}
