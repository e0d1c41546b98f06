extern crate std;

use std::process::Command;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, format, fs, process};

use byte_fields::{u8_at, u32_at, u64_at};
use proptest::prelude::*;

use super::*;

fn range(start: u64, bytes: u64) -> Range<GuestPhysical> {
    Range::new(GuestPhysical::new(start), bytes).unwrap()
}

/// The tables of a partition like the example plan's `beta`, with a window above 4 GiB too.
fn example(cores: &[ApicId]) -> Result<Vec<u8>, AcpiError> {
    let map = MemoryMap::new(3 << 30).unwrap();
    tables(&Description {
        cores,
        map: &map,
        windows: &[range(0xfe80_0000, 0x4000), range(0x80_0000_0000, 0x10_0000)],
    })
}

/// The tables that the root lists and the DSDT, found as a guest finds them.
fn find(tables: &[u8]) -> Vec<Vec<u8>> {
    let base = ACPI_TABLES.as_u64();
    let at = |address: u64| {
        let table = &tables[usize::try_from(address - base).unwrap()..];
        let bytes = u32_at(table, 4).unwrap() as usize;
        table[..bytes].to_vec()
    };
    let root = at(u64_at(tables, 24).unwrap());
    let entries = root[36..]
        .as_chunks()
        .0
        .iter()
        .map(|entry| u64::from_le_bytes(*entry));
    let mut found: Vec<_> = entries.map(at).collect();
    found.push(at(u64_at(&found[0], 140).unwrap()));
    found.push(root);
    found
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[test]
fn a_guest_finds_every_table_and_every_checksum_is_right() {
    let tables = example(&[ApicId(2), ApicId(3)]).unwrap();
    assert_eq!(&tables[..8], b"RSD PTR ");
    assert_eq!((sum(&tables[..20]), sum(&tables[..36])), (0, 0));
    let found = find(&tables);
    let names: Vec<_> = found
        .iter()
        .map(|table| String::from_utf8_lossy(&table[..4]))
        .collect();
    assert_eq!(names, ["FACP", "APIC", "MCFG", "SRAT", "DSDT", "XSDT"]);
    for table in &found {
        assert_eq!(sum(table), 0, "{}", String::from_utf8_lossy(&table[..4]));
        assert_eq!(&table[10..16], b"BULKHD");
    }
}

#[test]
fn the_fadt_is_hardware_reduced_with_sleep_and_reset_registers() {
    let fadt = &find(&example(&[ApicId(1)]).unwrap())[0];
    assert_eq!((fadt.len(), fadt[8]), (276, 6));
    let flags = u32_at(fadt, 112).unwrap();
    let expected = 1 << 20 | 1 << 19 | 1 << 10 | 1 << 4;
    assert_eq!(flags & expected, expected);
    assert_eq!(
        &fadt[109..111],
        &[0x24, 0],
        "no VGA, no RTC; no legacy devices, no 8042"
    );
    let register = |offset| {
        (
            fadt[offset],
            fadt[offset + 1],
            u64_at(fadt, offset + 4).unwrap(),
        )
    };
    assert_eq!((register(116), u8_at(fadt, 128)), ((1, 8, 0x602), Some(1)));
    assert_eq!(register(244), (1, 8, 0x600));
    assert_eq!(register(256), (1, 8, 0x601));
    assert_eq!(u32_at(fadt, 76), Some(0), "no PM timer");
}

#[test]
fn the_madt_has_the_physical_ids_and_an_io_apic() {
    let madt = &find(&example(&[ApicId(2), ApicId(0x103)]).unwrap())[1];
    assert_eq!(u32_at(madt, 36), Some(0xfee0_0000));
    assert_eq!(u32_at(madt, 40), Some(0), "no 8259s");
    assert_eq!(madt.len(), 44 + 12 + 2 * 16);
    assert_eq!(madt[44..48], [1, 12, 0, 0]);
    let (address, first_input) = (u32_at(madt, 48), u32_at(madt, 52));
    assert_eq!((address, first_input), (Some(0xfec0_0000), Some(16)));
    let entry = |at| {
        (
            madt[at],
            madt[at + 1],
            u32_at(madt, at + 4),
            u32_at(madt, at + 12),
        )
    };
    assert_eq!(entry(56), (9, 16, Some(2), Some(0)));
    assert_eq!(entry(72), (9, 16, Some(0x103), Some(1)));
}

#[test]
fn the_mcfg_names_the_configuration_space_behind_low_ram() {
    let mcfg = &find(&example(&[ApicId(0)]).unwrap())[2];
    assert_eq!(u64_at(mcfg, 44), Some(0x8000_0000));
    let (segment_and_buses, reserved) = (u32_at(mcfg, 52), u32_at(mcfg, 56));
    assert_eq!((segment_and_buses, reserved), (Some(0), Some(0)));
}

#[test]
fn a_description_that_contradicts_itself_is_refused() {
    let map = MemoryMap::new(1 << 30).unwrap();
    let attempt = |windows: &[Range<GuestPhysical>]| {
        let cores = &[ApicId(0)];
        let description = Description {
            cores,
            map: &map,
            windows,
        };
        tables(&description).err().map(|error| error.to_string())
    };
    let refused = |windows: &[_], part: &str| {
        let message = attempt(windows).unwrap_or_default();
        assert!(message.contains(part), "{message}");
    };
    assert_eq!(attempt(&[]), None);
    refused(&[range(0x3fff_f000, 0x2000)], "overlap");
    refused(&[range(0x400f_f000, 0x1000)], "overlap");
    let neighbours = [range(0xc000_0000, 0x1000), range(0xc000_0fff, 1)];
    refused(&neighbours, "overlap");
    refused(&[range(0xffff_f000, 0x2000)], "4 GiB");
    assert_eq!(example(&[]), Err(AcpiError::NoCores));
    assert!(matches!(
        example(&[ApicId(0); 65]),
        Err(AcpiError::TooManyCores { .. })
    ));
}

#[test]
fn the_largest_partition_fits() {
    let cores: Vec<_> = (0..64).map(ApicId).collect();
    let windows: Vec<_> = (0..32 * 6)
        .map(|bar| range(0xc000_0000 + bar * 0x10_0000, 0x10_0000))
        .collect();
    let map = MemoryMap::new(64 << 30).unwrap();
    let description = Description {
        cores: &cores,
        map: &map,
        windows: &windows,
    };
    let tables = tables(&description).unwrap();
    assert!(tables.len() <= 0x2_0000);
    assert!(find(&tables).iter().all(|table| sum(table) == 0));
}

/// Runs the reference disassembler on `tables` and returns what it made of them, in order.
fn disassemble(tables: &[u8]) -> Vec<String> {
    let directory = env::temp_dir().join(format!("bulkhead-acpi-{}", process::id()));
    fs::create_dir_all(&directory).unwrap();
    let texts = find(tables).into_iter().map(|table| {
        let name = String::from_utf8_lossy(&table[..4]).into_owned();
        let file = directory.join(format!("{name}.aml"));
        fs::write(&file, table).unwrap();
        let output = Command::new("iasl").arg("-d").arg(&file).output();
        let output = output.expect("iasl is missing: install the package acpica-tools");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{name}: {log}");
        for word in ["Error", "Warning", "Invalid", "Incorrect"] {
            assert!(!log.contains(word), "{name}: {log}");
        }
        fs::read_to_string(file.with_extension("dsl")).unwrap()
    });
    let texts = texts.collect();
    fs::remove_dir_all(&directory).unwrap();
    texts
}

#[test]
#[ignore = "needs iasl of the package acpica-tools"]
fn the_reference_disassembler_understands_every_table() {
    let texts = disassemble(&example(&[ApicId(2), ApicId(3)]).unwrap());
    let has = |table: usize, part: &str| {
        assert!(
            texts[table].contains(part),
            "{part:?} is not in {}",
            texts[table]
        );
    };
    has(0, "Hardware Reduced (V5) : 1");
    has(1, "[Processor Local x2APIC]");
    has(1, "[I/O APIC]");
    has(2, "Base Address : 0000000080000000");
    has(3, "[Processor Local x2APIC Affinity]");
    has(4, "Name (\\_S5, Package (0x04)");
    has(4, "Name (_HID, EisaId (\"PNP0A08\")");
    has(
        4,
        "DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite",
    );
    has(4, "QWordMemory");
    has(4, "EisaId (\"PNP0C02\")");
    has(4, "IO (Decode16,");
    has(4, "Name (_HID, \"ACPI0007\"");
    assert!(
        !texts[4].contains("IRQ"),
        "the serial port has no interrupt"
    );
    has(4, "EisaId (\"PNP0C0C\")");
    has(4, "Name (_HID, \"ACPI0013\"");
    has(
        4,
        "Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive,",
    );
    has(4, "Notify (PWRB, 0x80)");
    for text in texts {
        assert!(!text.contains("Unknown"), "{text}");
    }
}

proptest! {
    #[test]
    fn the_same_description_gives_the_same_bytes(count in 1_u32..64, first in 0_u32..1000) {
        let cores: Vec<_> = (first..first + count).map(ApicId).collect();
        let tables = example(&cores).unwrap();
        prop_assert_eq!(&tables, &example(&cores).unwrap());
        prop_assert!(find(&tables).iter().all(|table| sum(table) == 0));
    }
}
