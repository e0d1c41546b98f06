//! The table `[machine]`.

use alloc::vec::Vec;

use addr::{ApicId, HostPhysical, Range, RequesterId};

use super::reader::{Reader, Table, Value};
use crate::{Iommu, Machine, MachineFunction, Place, SerialPort};

const MACHINE_KEYS: [&str; 7] = [
    "cores",
    "housekeeping",
    "memory",
    "console",
    "management",
    "iommu",
    "function",
];

const SERIAL_PORT: &str = "the I/O port of a 16550, like \"0x3f8\", or from version 3 on \"spcr\"";
pub const REQUESTER_ID: &str = "a PCI function like \"02:00.0\"";
pub const APIC_ID: &str = "a core's APIC ID, 0 to 4294967294";

/// Reads the machine. What is missing or wrong is reported and left empty.
pub fn read_machine(reader: &mut Reader, plan: &Table<'_>) -> Machine {
    let mut machine = Machine {
        cores: Vec::new(),
        housekeeping: ApicId(u32::MAX),
        memory: Vec::new(),
        functions: Vec::new(),
        console: SerialPort::FIRST,
        management: None,
        iommu: Iommu::Required,
    };
    let table = reader.require(plan, "machine");
    let Some(table) = table.and_then(|value| reader.table(&value, "[machine]", &MACHINE_KEYS))
    else {
        return machine;
    };
    if let Some(cores) = reader.require(&table, "cores") {
        machine.cores = read_cores(reader, &cores, Place::MachineCore);
    }
    if let Some(value) = reader.require(&table, "housekeeping")
        && let Some(core) = read_core(reader, &value)
    {
        machine.housekeeping = core;
        reader.mark(Place::Housekeeping, value.span());
    }
    if let Some(memory) = reader.require(&table, "memory") {
        machine.memory = read_memory(reader, &memory, Place::MachineMemory);
    }
    if let Some(value) = table.get("console") {
        let console = read_serial_port(reader, &value, Place::Console);
        machine.console = console.unwrap_or(machine.console);
    }
    if let Some(value) = table.get("management") {
        machine.management = read_serial_port(reader, &value, Place::Management);
    }
    if let Some(value) = table.get("iommu") {
        let iommu = reader.parse(&value, "\"required\" or \"none\"", parse_iommu);
        machine.iommu = iommu.unwrap_or_default();
    }
    if let Some(functions) = table.get("function") {
        machine.functions = read_functions(reader, &functions);
    }
    machine
}

fn read_serial_port(reader: &mut Reader, value: &Value<'_>, place: Place) -> Option<SerialPort> {
    let serial = if reader.is_version(3) && value.is_text("spcr") {
        SerialPort::Spcr
    } else {
        SerialPort::At(reader.bytes(value, SERIAL_PORT)?)
    };
    reader.mark(place, value.span());
    Some(serial)
}

fn parse_iommu(text: &str) -> Option<Iommu> {
    match text {
        "required" => Some(Iommu::Required),
        "none" => Some(Iommu::None),
        _ => None,
    }
}

/// Reads one core. The x2APIC ID of all ones addresses every core, and so names none
/// (Intel SDM 325384-080, volume 3A, section 11.12.9 "ICR Operation in x2APIC Mode").
fn read_core(reader: &mut Reader, value: &Value<'_>) -> Option<ApicId> {
    let number: u32 = reader.integer(value, APIC_ID)?;
    if number == u32::MAX {
        return reader.wrong_value(value, "the broadcast ID", APIC_ID);
    }
    Some(ApicId(number))
}

/// Reads an array of cores, and marks each one's `place`.
pub fn read_cores(
    reader: &mut Reader,
    value: &Value<'_>,
    place: impl Fn(usize) -> Place,
) -> Vec<ApicId> {
    let mut cores = Vec::new();
    for element in reader.array(value, "`[1, 2, 3]`").into_iter().flatten() {
        if let Some(core) = read_core(reader, &element) {
            reader.mark(place(cores.len()), element.span());
            cores.push(core);
        }
    }
    cores
}

/// Reads an array of ranges of memory, and marks each one's `place`.
pub fn read_memory(
    reader: &mut Reader,
    value: &Value<'_>,
    place: impl Fn(usize) -> Place,
) -> Vec<Range<HostPhysical>> {
    let mut memory = Vec::new();
    for element in reader
        .array(value, "`[{ start = …, size = … }]`")
        .into_iter()
        .flatten()
    {
        if let Some(range) = read_range(reader, &element) {
            reader.mark(place(memory.len()), element.span());
            memory.push(range);
        }
    }
    memory
}

fn read_range(reader: &mut Reader, value: &Value<'_>) -> Option<Range<HostPhysical>> {
    let table = reader.table(value, "`memory`", &["start", "size"])?;
    let start = reader.require(&table, "start");
    let size = reader.require(&table, "size");
    let start =
        start.and_then(|value| reader.bytes(&value, "an address like \"0x40000000\" or \"1G\""));
    let size_value = size?;
    let bytes: Option<u64> = reader.bytes(&size_value, "a size like \"640M\" or \"1G\"");
    let (start, bytes) = (HostPhysical::new(start?), bytes?);
    let range = Range::new(start, bytes);
    range.or_else(|| {
        let expected = "a size above 0 that ends below 2^64";
        reader.wrong_value(
            &size_value,
            &alloc::format!("{bytes:#x} from {start} on"),
            expected,
        )
    })
}

fn read_functions(reader: &mut Reader, value: &Value<'_>) -> Vec<MachineFunction> {
    let mut functions = Vec::new();
    for element in reader
        .array(value, "`[[machine.function]]`")
        .into_iter()
        .flatten()
    {
        if let Some((function, address)) = read_function(reader, &element) {
            reader.mark(Place::MachineFunction(functions.len()), address.span());
            functions.push(function);
        }
    }
    functions
}

fn read_function<'d>(
    reader: &mut Reader,
    value: &Value<'d>,
) -> Option<(MachineFunction, Value<'d>)> {
    let known = ["address", "virtual_functions"];
    let table = reader.table(value, "[[machine.function]]", &known)?;
    let virtual_functions = match table.get("virtual_functions") {
        Some(value) => reader.integer(&value, "a number of virtual functions, 0 to 65535"),
        None => Some(0),
    };
    let address_value = reader.require(&table, "address")?;
    let address: RequesterId =
        reader.parse(&address_value, REQUESTER_ID, |text| text.parse().ok())?;
    Some((
        MachineFunction {
            address,
            virtual_functions: virtual_functions?,
        },
        address_value,
    ))
}
