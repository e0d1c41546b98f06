//! Limits of a plan, and the rules that concern one partition alone.

use alloc::format;
use alloc::vec::Vec;

use addr::PageSize;

use crate::{
    Function, Iommu, Partition, PartitionPlace as At, Place, Plan, Restart, Rule, SerialPort,
    Violation,
};

/// The most partitions that a plan may have.
pub const MAX_PARTITIONS: usize = 64;
/// The most PCI functions that a partition may own: the guest's bus has 32 places, of which the
/// first is empty and the last two are Bulkhead's own.
pub const MAX_FUNCTIONS: usize = 29;
/// The most characters of a partition's name.
pub const MAX_NAME: usize = 31;
/// The most restarts in a row after faults.
pub const MAX_RESTARTS: u16 = 1000;
/// The I/O ports of a 16550.
const SERIAL_PORTS: u16 = 8;
/// The most bytes of a command line.
pub const MAX_COMMAND_LINE: usize = 2047;

/// The NVMe namespace identifiers that name no namespace: 0, and the one that stands for
/// all of them (NVM Express 1.3d, section 6.1.2 "Valid and Invalid NSIDs").
const NO_NAMESPACES: [u32; 2] = [0, u32::MAX];

/// Adds what breaks a limit, or a rule about one partition alone.
pub fn check_limits(plan: &Plan, violations: &mut Vec<Violation>) {
    if plan.partitions.is_empty() {
        let what = "the plan has no partition".into();
        violations.push(Violation::new(Rule::NoPartitions, Place::Plan, what));
    }
    check_serial_ports(plan, violations);
    for index in MAX_PARTITIONS..plan.partitions.len() {
        let what = format!("more than {MAX_PARTITIONS} partitions");
        let place = At::Whole;
        violations.push(Violation::of(index, place, Rule::TooManyPartitions, what));
    }
    for (index, partition) in plan.partitions.iter().enumerate() {
        let mut add = |place, rule, what| violations.push(Violation::of(index, place, rule, what));
        check_name(partition, &mut add);
        check_cores_and_memory(partition, &mut add);
        check_functions(plan, partition, &mut add);
        check_image(partition, &mut add);
        check_restart(partition, &mut add);
        check_denied_limit(partition, &mut add);
        check_room(partition, &mut add);
    }
}

/// Whether the 16550s whose first I/O ports are `one` and `other` have a port in common.
#[must_use]
pub const fn serial_ports_overlap(one: u16, other: u16) -> bool {
    one.abs_diff(other) < SERIAL_PORTS
}

fn check_serial_ports(plan: &Plan, violations: &mut Vec<Violation>) {
    let console = plan.machine.console;
    let management = plan.machine.management;
    let both = [
        (Place::Console, Some(console)),
        (Place::Management, management),
    ];
    for (place, serial) in both {
        if let Some(SerialPort::At(port)) = serial
            && (port == 0 || port.checked_add(SERIAL_PORTS - 1).is_none())
        {
            let what = format!("there is no 16550 at I/O port {port:#x}");
            violations.push(Violation::new(Rule::SerialPortInvalid, place, what));
        }
    }
    let what = match (console, management) {
        (SerialPort::At(console), Some(SerialPort::At(port)))
            if serial_ports_overlap(console, port) =>
        {
            format!(
                "the management channel's ports from {port:#x} on are the console's from \
                 {console:#x} on"
            )
        }
        (SerialPort::Spcr, Some(SerialPort::Spcr)) => {
            "the management channel's line is the console's: SPCR names one".into()
        }
        // What SPCR names is held against the other when it is known.
        _ => return,
    };
    let violation = Violation::new(Rule::SerialPortsOverlap, Place::Management, what);
    violations.push(violation.against(Place::Console));
}

/// Whether a partition may be called `text`: 1 to [`MAX_NAME`] lower-case letters, digits and
/// hyphens of ASCII.
#[must_use]
pub fn is_partition_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_NAME && text.bytes().all(allowed)
}

type Add<'a> = dyn FnMut(At, Rule, alloc::string::String) + 'a;

fn check_name(partition: &Partition, add: &mut Add<'_>) {
    let name = &partition.name;
    if !is_partition_name(name) {
        let what = format!("{name:?} is no name for a partition");
        add(At::Name, Rule::NameInvalid, what);
    }
}

fn check_cores_and_memory(partition: &Partition, add: &mut Add<'_>) {
    let name = &partition.name;
    if partition.cores.is_empty() {
        let what = format!("partition {name:?} has no core");
        add(At::Cores, Rule::NoCores, what);
    }
    if partition.memory.is_empty() {
        let what = format!("partition {name:?} has no memory");
        add(At::Memory, Rule::NoMemory, what);
    }
    for (number, range) in partition.memory.iter().enumerate() {
        if !range.is_aligned(PageSize::Size2MiB) {
            let what = format!("memory {range} of partition {name:?} is not made of 2 MiB pages");
            add(At::MemoryRange(number), Rule::MemoryMisaligned, what);
        }
    }
}

fn check_functions(plan: &Plan, partition: &Partition, add: &mut Add<'_>) {
    let name = &partition.name;
    if partition.functions.len() > MAX_FUNCTIONS {
        let what = format!("partition {name:?} has more than {MAX_FUNCTIONS} PCI functions");
        add(At::Function(MAX_FUNCTIONS), Rule::TooManyFunctions, what);
    }
    for (number, function) in partition.functions.iter().enumerate() {
        if plan.machine.iommu == Iommu::None {
            let what =
                format!("partition {name:?} has {function}, but the plan says `iommu = \"none\"`");
            add(At::Function(number), Rule::FunctionNeedsIommu, what);
        }
        if let Function::Virtual {
            number: 0,
            physical,
            ..
        } = function
        {
            let what = format!("partition {name:?} has virtual function 0 of {physical}");
            add(At::VirtualNumber(number), Rule::VirtualFunctionZero, what);
        }
        if let Function::Virtual {
            namespace: Some(namespace),
            ..
        } = function
            && NO_NAMESPACES.contains(namespace)
        {
            let what = format!("{namespace:#x} names no single NVMe namespace");
            add(At::Namespace(number), Rule::NamespaceInvalid, what);
        }
    }
}

fn check_image(partition: &Partition, add: &mut Add<'_>) {
    let name = &partition.name;
    let image = &partition.image;
    let mut check_index = |index: Option<crate::ImageIndex>, place| {
        if index.is_some_and(|index| index.0 == 0) {
            let what = format!("partition {name:?} names the plan itself as an image");
            add(place, Rule::ImageMissing, what);
        }
    };
    check_index(Some(image.kernel()), At::Kernel);
    check_index(image.initial_ramdisk(), At::InitialRamdisk);
    let command_line = image.command_line();
    if command_line.len() > MAX_COMMAND_LINE {
        let length = command_line.len();
        let what = format!("the command line of partition {name:?} has {length} bytes");
        add(At::CommandLine, Rule::CommandLineTooLong, what);
    }
    if let Some(found) = command_line.chars().find(|found| found.is_control()) {
        let what = format!("the command line of partition {name:?} contains {found:?}");
        add(At::CommandLine, Rule::CommandLineCharacter, what);
    }
}

fn check_restart(partition: &Partition, add: &mut Add<'_>) {
    if let Restart::OnFault { limit } = partition.restart
        && !(1..=MAX_RESTARTS).contains(&limit)
    {
        let what = format!(
            "partition {:?} is to be restarted {limit} times",
            partition.name
        );
        add(At::RestartLimit, Rule::RestartLimitInvalid, what);
    }
}

fn check_denied_limit(partition: &Partition, add: &mut Add<'_>) {
    if partition.denied_limit == Some(0) {
        let name = &partition.name;
        let what = format!("partition {name:?} is to be stopped before it is denied anything");
        add(At::DeniedLimit, Rule::DeniedLimitInvalid, what);
    }
}

fn check_room(partition: &Partition, add: &mut Add<'_>) {
    let page = PageSize::Size2MiB.bytes();
    if let Some(bytes) = partition.image_room
        && (bytes == 0 || !bytes.is_multiple_of(page))
    {
        let name = &partition.name;
        let what = format!("{bytes} bytes of room for images of partition {name:?}");
        add(At::Room, Rule::RoomInvalid, what);
    }
}
