use alloc::vec;

use addr::{ApicId, RequesterId};

use super::*;
use crate::testing::{MIB, NVME, example, range};
use crate::{
    Function, Image, ImageIndex, Iommu, MAX_COMMAND_LINE, MachineFunction, PartitionPlace, Restart,
    SerialPort,
};

/// The rules that the example plan breaks after a change, with their places.
fn broken(change: impl FnOnce(&mut Plan)) -> Vec<(Rule, Place)> {
    let mut plan = example();
    change(&mut plan);
    check(&plan)
        .iter()
        .map(|violation| (violation.rule, violation.place))
        .collect()
}

fn in_alpha(rule: Rule, place: PartitionPlace) -> Vec<(Rule, Place)> {
    vec![(rule, Place::Partition(0, place))]
}

#[test]
fn example_breaks_no_rule() {
    assert_eq!(check(&example()), []);
}

#[test]
fn partitions_need_cores_and_memory() {
    let found = broken(|plan| plan.partitions[0].cores.clear());
    assert_eq!(found, in_alpha(Rule::NoCores, PartitionPlace::Cores));
    let found = broken(|plan| plan.partitions[0].memory.clear());
    assert_eq!(found, in_alpha(Rule::NoMemory, PartitionPlace::Memory));
    let found = broken(|plan| plan.partitions.clear());
    assert_eq!(found, [(Rule::NoPartitions, Place::Plan)]);
}

#[test]
fn memory_is_made_of_large_pages_at_both_ends() {
    for bad in [
        range(513 * MIB, 2 * MIB),
        range(512 * MIB, 3 * MIB),
        range(512 * MIB, 4096),
    ] {
        let found = broken(|plan| plan.partitions[0].memory[0] = bad);
        let place = PartitionPlace::MemoryRange(0);
        assert_eq!(found, in_alpha(Rule::MemoryMisaligned, place), "{bad}");
    }
}

#[test]
fn memory_may_span_neighbours_but_no_hole() {
    let split = |plan: &mut Plan, second: u64| {
        plan.machine.memory = vec![
            range(second, 1400 * MIB),
            range(500 * MIB, 100 * MIB),
            range(16 * MIB, MIB),
        ];
    };
    assert_eq!(broken(|plan| split(plan, 600 * MIB)), []);
    let found = broken(|plan| split(plan, 602 * MIB));
    assert_eq!(
        found,
        in_alpha(Rule::MemoryOutsideMachine, PartitionPlace::MemoryRange(0))
    );
}

#[test]
fn cores_and_functions_are_the_machines() {
    let found = broken(|plan| plan.partitions[0].cores[0] = ApicId(4));
    assert_eq!(found, in_alpha(Rule::UnknownCore, PartitionPlace::Core(0)));
    let found = broken(|plan| plan.machine.housekeeping = ApicId(9));
    assert_eq!(found, [(Rule::UnknownCore, Place::Housekeeping)]);
    let address = RequesterId(0x0300);
    let found = broken(|plan| plan.partitions[0].functions[0] = Function::Whole { address });
    assert_eq!(
        found,
        in_alpha(Rule::UnknownFunction, PartitionPlace::Function(0))
    );
}

#[test]
fn virtual_functions_count_from_one_to_the_limit() {
    for (number, rule) in [
        (0, Rule::VirtualFunctionZero),
        (5, Rule::VirtualFunctionTooHigh),
    ] {
        let function = Function::Virtual {
            physical: NVME,
            number,
            namespace: None,
        };
        let found = broken(|plan| plan.partitions[0].functions[0] = function);
        assert_eq!(found, in_alpha(rule, PartitionPlace::VirtualNumber(0)));
    }
}

#[test]
fn broadcast_and_zero_are_no_namespaces() {
    for namespace in [0, u32::MAX] {
        let namespace = Some(namespace);
        let function = Function::Virtual {
            physical: NVME,
            number: 1,
            namespace,
        };
        let found = broken(|plan| plan.partitions[0].functions[0] = function);
        assert_eq!(
            found,
            in_alpha(Rule::NamespaceInvalid, PartitionPlace::Namespace(0))
        );
    }
}

#[test]
fn nothing_does_dma_without_an_iommu() {
    let found = broken(|plan| {
        plan.machine.iommu = Iommu::None;
        plan.partitions[1].functions.clear();
    });
    assert_eq!(
        found,
        in_alpha(Rule::FunctionNeedsIommu, PartitionPlace::Function(0))
    );
}

#[test]
fn names_have_few_characters() {
    for name in ["", "Alpha", "al pha", "alpha\n", "ä", &"a".repeat(32)] {
        let found = broken(|plan| plan.partitions[0].name = name.into());
        assert_eq!(
            found,
            in_alpha(Rule::NameInvalid, PartitionPlace::Name),
            "{name:?}"
        );
    }
    assert_eq!(broken(|plan| plan.partitions[0].name = "a".repeat(31)), []);
}

#[test]
fn command_lines_are_short_and_printable() {
    let with = |command_line: &str| {
        let command_line = command_line.into();
        let image = Image::Elf {
            kernel: ImageIndex(1),
            command_line,
        };
        broken(|plan| plan.partitions[0].image = image)
    };
    assert_eq!(with(&"x".repeat(MAX_COMMAND_LINE)), []);
    let place = PartitionPlace::CommandLine;
    let too_long = with(&"x".repeat(MAX_COMMAND_LINE + 1));
    assert_eq!(too_long, in_alpha(Rule::CommandLineTooLong, place));
    assert_eq!(
        with("quiet\0init=/bin/sh"),
        in_alpha(Rule::CommandLineCharacter, place)
    );
}

#[test]
fn plan_itself_is_no_image() {
    let command_line = "".into();
    let image = Image::Elf {
        kernel: ImageIndex(0),
        command_line,
    };
    let found = broken(|plan| plan.partitions[0].image = image);
    assert_eq!(found, in_alpha(Rule::ImageMissing, PartitionPlace::Kernel));
}

#[test]
fn limits_on_numbers_hold() {
    let found = broken(|plan| {
        plan.machine.cores = (0..200).map(ApicId).collect();
        plan.machine.memory = vec![range(0, 1000 * MIB)];
        let template = plan.partitions[0].clone();
        plan.partitions = (0_u32..66)
            .map(|index| {
                let mut partition = template.clone();
                partition.name = format!("p{index}");
                partition.cores = vec![ApicId(index + 1)];
                partition.memory = vec![range(u64::from(index) * 2 * MIB, 2 * MIB)];
                partition.functions.clear();
                partition
            })
            .collect();
    });
    let beyond = |index| {
        (
            Rule::TooManyPartitions,
            Place::Partition(index, PartitionPlace::Whole),
        )
    };
    assert_eq!(found, [beyond(64), beyond(65)]);

    let found = broken(|plan| {
        plan.machine.functions = (0..40)
            .map(|number| MachineFunction {
                address: RequesterId(number),
                virtual_functions: 0,
            })
            .collect();
        plan.machine.functions.push(MachineFunction {
            address: NVME,
            virtual_functions: 4,
        });
        plan.partitions[0].functions = (0..33)
            .map(|number| Function::Whole {
                address: RequesterId(number),
            })
            .collect();
    });
    assert_eq!(
        found,
        in_alpha(Rule::TooManyFunctions, PartitionPlace::Function(29))
    );
}

#[test]
fn machine_lists_everything_once() {
    let found = broken(|plan| {
        let machine = &mut plan.machine;
        machine.cores.push(ApicId(2));
        machine.memory.push(range(0, 17 * MIB));
        machine.functions.push(MachineFunction {
            address: NVME,
            virtual_functions: 0,
        });
    });
    let places = [
        Place::MachineCore(4),
        Place::MachineMemory(1),
        Place::MachineFunction(1),
    ];
    assert_eq!(found, places.map(|place| (Rule::MachineDuplicate, place)));
}

#[test]
fn serial_ports_have_eight_ports_each_of_their_own() {
    let with = |console, management| {
        broken(|plan| {
            plan.machine.console = SerialPort::At(console);
            plan.machine.management = Some(SerialPort::At(management));
        })
    };
    for (console, management) in [(0x3f8, 0x2f8), (0x3f8, 0x3f0), (0x3f0, 0x3f8), (1, 0xfff8)] {
        assert_eq!(
            with(console, management),
            [],
            "{console:#x} {management:#x}"
        );
    }
    let overlap = [(Rule::SerialPortsOverlap, Place::Management)];
    for (console, management) in [(0x3f8, 0x3f8), (0x3f8, 0x3f1), (0x3f8, 0x3ff)] {
        assert_eq!(with(console, management), overlap, "{management:#x}");
    }
    assert_eq!(
        with(0x3f8, 0),
        [(Rule::SerialPortInvalid, Place::Management)]
    );
    assert_eq!(
        with(0xfff9, 0x2f8),
        [(Rule::SerialPortInvalid, Place::Console)]
    );
}

#[test]
fn restarts_after_faults_have_a_limit() {
    for (limit, good) in [(0, false), (1, true), (1000, true), (1001, false)] {
        let found = broken(|plan| plan.partitions[0].restart = Restart::OnFault { limit });
        let rule = in_alpha(Rule::RestartLimitInvalid, PartitionPlace::RestartLimit);
        assert_eq!(found, if good { vec![] } else { rule }, "{limit}");
    }
}

#[test]
fn a_limit_of_denied_accesses_allows_one() {
    let rule = in_alpha(Rule::DeniedLimitInvalid, PartitionPlace::DeniedLimit);
    let none = vec![];
    for (limit, expected) in [(Some(0), &rule), (Some(1), &none), (None, &none)] {
        let found = broken(|plan| plan.partitions[0].denied_limit = limit);
        assert_eq!(&found, expected, "{limit:?}");
    }
}

#[test]
fn the_firmware_names_one_line_only() {
    let with = |console, management| {
        broken(|plan| {
            plan.machine.console = console;
            plan.machine.management = Some(management);
        })
    };
    assert_eq!(with(SerialPort::FIRST, SerialPort::Spcr), []);
    assert_eq!(with(SerialPort::Spcr, SerialPort::FIRST), []);
    let overlap = [(Rule::SerialPortsOverlap, Place::Management)];
    assert_eq!(with(SerialPort::Spcr, SerialPort::Spcr), overlap);
}

#[test]
fn rooms_are_made_of_large_pages_and_stand_beside_the_partitions() {
    let with = |bytes| broken(|plan| plan.partitions[0].image_room = Some(bytes));
    // Below the partitions are 496 MiB, above them 124.
    for bytes in [2 * MIB, 64 * MIB, 496 * MIB] {
        assert_eq!(with(bytes), [], "{bytes:#x}");
    }
    for bytes in [0, 1, MIB, 63 * MIB] {
        let expected = in_alpha(Rule::RoomInvalid, PartitionPlace::Room);
        assert_eq!(with(bytes), expected, "{bytes:#x}");
    }
    let missing = in_alpha(Rule::RoomMissing, PartitionPlace::Room);
    assert_eq!(with(498 * MIB), missing);
    assert_eq!(with(u64::MAX << 21), missing);
}
