extern crate std;

use std::string::ToString;
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

/// A unit or reserved memory, moved to PCI segment `number`.
fn in_segment(number: u8, mut structure: Vec<u8>) -> Vec<u8> {
    structure[6] = number;
    structure
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
/// The bridge 00:1c.4 and all that is behind it.
const BRIDGE: [u8; 8] = [2, 8, 0, 0, 0, 0, 0x1c, 4];
/// The function 00:02.0.
const FUNCTION: [u8; 8] = [1, 8, 0, 0, 0, 0, 2, 0];

fn range(start: u64, bytes: u64) -> Range<HostPhysical> {
    Range::new(HostPhysical::new(start), bytes).unwrap()
}

/// The machine's one bridge is 00:1c.4, with the buses 5 to 7 behind it.
fn behind(bridge: RequesterId) -> Option<RangeInclusive<u8>> {
    (bridge.to_string() == "00:1c.4").then_some(5..=7)
}

/// Which of the functions 00:02.0, 00:1c.4, 05:00.0, 05:00.1, 07:03.0 and 08:00.0 are `found`.
fn each(found: impl Fn(RequesterId) -> bool) -> [bool; 6] {
    [
        "00:02.0", "00:1c.4", "05:00.0", "05:00.1", "07:03.0", "08:00.0",
    ]
    .map(|text| found(text.parse().unwrap()))
}

fn covered(structures: &[Vec<u8>]) -> [bool; 6] {
    let bytes = sealed(0, &structures.concat());
    let dmar = Dmar::parse(&bytes).unwrap();
    each(|address| dmar.covers(address, &behind))
}

fn reserved_for(structures: &[Vec<u8>]) -> [bool; 6] {
    let bytes = sealed(0, &structures.concat());
    let dmar = Dmar::parse(&bytes).unwrap();
    each(|address| dmar.reserves_memory_for(address, &behind))
}

#[test]
fn units_of_all_segments_are_listed() {
    let units = [unit(1, 0x1000, &[]), in_segment(1, unit(1, 0x2000, &[]))];
    let bytes = sealed(0, &units.concat());
    let dmar = Dmar::parse(&bytes).unwrap();
    let segments = dmar.hardware_units().map(|unit| unit.segment);
    assert!(segments.eq([0, 1]));
}

#[test]
fn a_unit_tells_how_many_register_pages_it_has() {
    let mut structure = unit(1, 0xfed9_0000, &[]);
    structure[5] = 3;
    let bytes = sealed(0, &structure);
    let unit = Dmar::parse(&bytes).unwrap().hardware_units().next();
    assert_eq!(unit.unwrap().registers, range(0xfed9_0000, 0x8000));
}

#[test]
fn a_unit_covers_what_its_scopes_name() {
    let of = |scopes: &[u8]| covered(&[unit(0, 0x1000, scopes)]);
    assert_eq!(of(&FUNCTION), [true, false, false, false, false, false]);
    assert_eq!(
        of(&BEHIND_BRIDGE),
        [false, false, true, false, false, false]
    );
    assert_eq!(of(&BRIDGE), [false, true, true, true, true, false]);
    assert_eq!(of(&IO_APIC), [false; 6]);
}

#[test]
fn a_unit_for_all_covers_its_own_segment_alone() {
    assert_eq!(covered(&[unit(1, 0x1000, &[])]), [true; 6]);
    assert_eq!(covered(&[in_segment(1, unit(1, 0x1000, &[]))]), [false; 6]);
}

#[test]
fn a_unit_does_not_cover_what_no_path_leads_to() {
    // Through 00:02.0, which is no bridge.
    let lost = [1, 10, 0, 0, 0, 0, 2, 0, 0, 0];
    assert_eq!(covered(&[unit(0, 0x1000, &lost)]), [false; 6]);
}

#[test]
fn memory_is_reserved_for_all_behind_a_bridge() {
    let of = |scopes: &[u8]| reserved_for(&[reserved(0x7000_0000, 0x7000_ffff, scopes)]);
    assert_eq!(of(&BRIDGE), [false, true, true, true, true, false]);
    assert_eq!(
        of(&BEHIND_BRIDGE),
        [false, false, true, false, false, false]
    );
    assert_eq!(of(&FUNCTION), [true, false, false, false, false, false]);
}

#[test]
fn memory_that_cannot_be_told_whose_it_is_may_be_anybodys() {
    // Through 00:02.0, which is no bridge; and all behind it.
    for lost in [
        &[1, 10, 0, 0, 0, 0, 2, 0, 0, 0][..],
        &[2, 8, 0, 0, 0, 0, 2, 1],
    ] {
        let region = reserved(0x7000_0000, 0x7000_ffff, lost);
        assert_eq!(
            reserved_for(&[region]),
            [false, false, true, true, true, true]
        );
    }
}

#[test]
fn memory_of_other_segments_is_not_reserved_here() {
    let region = reserved(0x7000_0000, 0x7000_ffff, &BRIDGE);
    assert_eq!(reserved_for(&[in_segment(1, region)]), [false; 6]);
}

#[test]
fn qemus_table_has_one_unit_for_everything() {
    let bytes = sealed(1, &unit(1, 0xfed9_0000, &IO_APIC));
    let dmar = Dmar::parse(&bytes).unwrap();
    assert!(dmar.supports_interrupt_remapping());
    let units: Vec<_> = dmar.hardware_units().collect();
    let [unit] = units.as_slice() else {
        panic!("{} units", units.len())
    };
    assert_eq!(
        (unit.segment, unit.registers),
        (0, range(0xfed9_0000, 0x1000))
    );
    assert!(unit.includes_all);
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
        (unit(0, u64::MAX, &[]), DmarError::Registers(second)),
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
    for address in (0..u16::MAX).step_by(97).map(RequesterId) {
        dmar.covers(address, &behind);
        dmar.reserves_memory_for(address, &behind);
    }
    let scopes = dmar.hardware_units().flat_map(|unit| unit.scopes);
    scopes.map(|scope| scope.path().count() + 1).sum()
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
