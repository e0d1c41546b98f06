//! Plans to test with.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use addr::{ApicId, HostPhysical, Range, RequesterId};
use proptest::prelude::*;

use crate::{
    ActualMachine, Function, Image, ImageIndex, Iommu, Machine, MachineFunction, Partition, Plan,
    Restart, SerialPort,
};

pub const MIB: u64 = 1 << 20;
pub const NVME: RequesterId = RequesterId(0x0200);

pub fn range(start: u64, bytes: u64) -> Range<HostPhysical> {
    Range::new(HostPhysical::new(start), bytes).unwrap()
}

fn partition(name: &str, cores: &[u32], start: u64, bytes: u64) -> Partition {
    Partition {
        name: name.into(),
        cores: cores.iter().copied().map(ApicId).collect(),
        memory: vec![range(start, bytes)],
        functions: vec![Function::Virtual {
            physical: NVME,
            number: u16::try_from(cores[0]).unwrap(),
            namespace: Some(cores[0] + 1),
        }],
        image: Image::Linux {
            kernel: ImageIndex(1),
            initial_ramdisk: Some(ImageIndex(2)),
            command_line: "console=ttyS0".into(),
        },
        config_ports: false,
        restart: Restart::OnReboot,
        denied_limit: None,
        may_see: vec![],
        may_control: vec![],
        image_room: None,
    }
}

/// The plan of the example machine.
pub fn example() -> Plan {
    Plan {
        machine: Machine {
            cores: (0..4).map(ApicId).collect(),
            housekeeping: ApicId(0),
            memory: vec![range(16 * MIB, 1900 * MIB)],
            functions: vec![MachineFunction {
                address: NVME,
                virtual_functions: 4,
            }],
            console: SerialPort::FIRST,
            management: None,
            iommu: Iommu::Required,
        },
        partitions: vec![
            partition("alpha", &[1], 512 * MIB, 640 * MIB),
            partition("beta", &[2, 3], 1152 * MIB, 640 * MIB),
        ],
    }
}

/// The example machine as the kernel finds it.
pub fn example_machine() -> ActualMachine {
    let machine = example().machine;
    ActualMachine {
        cores: machine.cores,
        memory: machine.memory,
        functions: machine.functions,
    }
}

fn any_function() -> impl Strategy<Value = Function> {
    let address = || (0_u16..3).prop_map(RequesterId);
    prop_oneof![
        address().prop_map(|address| Function::Whole { address }),
        (address(), 0_u16..4, proptest::option::of(0_u32..4)).prop_map(
            |(physical, number, namespace)| Function::Virtual {
                physical,
                number,
                namespace
            }
        ),
    ]
}

fn any_image() -> impl Strategy<Value = Image> {
    let linux = (
        any::<u16>(),
        proptest::option::of(any::<u16>()),
        any::<String>(),
    );
    prop_oneof![
        linux.prop_map(|(kernel, initial_ramdisk, command_line)| Image::Linux {
            kernel: ImageIndex(kernel),
            initial_ramdisk: initial_ramdisk.map(ImageIndex),
            command_line,
        }),
        (any::<u16>(), any::<String>()).prop_map(|(kernel, command_line)| Image::Elf {
            kernel: ImageIndex(kernel),
            command_line
        }),
    ]
}

fn any_ranges() -> impl Strategy<Value = Vec<Range<HostPhysical>>> {
    let one = (0_u64..24, 1_u64..6).prop_map(|(start, pages)| range(start * MIB, pages * MIB));
    proptest::collection::vec(one, 0..3)
}

fn any_restart() -> impl Strategy<Value = Restart> {
    prop_oneof![
        Just(Restart::Never),
        Just(Restart::OnReboot),
        (0_u16..3).prop_map(|limit| Restart::OnFault { limit }),
    ]
}

fn any_names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-d]{1,2}", 0..3)
}

fn any_partition() -> impl Strategy<Value = Partition> {
    let cores = proptest::collection::vec((0_u32..12).prop_map(ApicId), 0..3);
    let functions = proptest::collection::vec(any_function(), 0..3);
    (
        "[a-d]{1,2}",
        cores,
        any_ranges(),
        functions,
        any_image(),
        any::<bool>(),
        any_restart(),
        proptest::option::of(0_u32..3),
        (any_names(), any_names()),
        proptest::option::of((0_u64..5).prop_map(|pages| pages * 2 * MIB)),
    )
        .prop_map(
            |(
                name,
                cores,
                memory,
                functions,
                image,
                config_ports,
                restart,
                limit,
                rights,
                image_room,
            )| {
                Partition {
                    name,
                    cores,
                    memory,
                    functions,
                    image,
                    config_ports,
                    restart,
                    denied_limit: limit,
                    may_see: rights.0,
                    may_control: rights.1,
                    image_room,
                }
            },
        )
}

/// Small plans, right and wrong ones, in which conflicts are common.
pub fn any_plan() -> impl Strategy<Value = Plan> {
    let port = prop_oneof![
        (0x2f0_u16..0x400).prop_map(SerialPort::At),
        Just(SerialPort::Spcr),
    ];
    let management = proptest::option::of(port);
    let machine = (any_ranges(), management).prop_map(|(memory, management)| Machine {
        cores: (0..8).map(ApicId).collect(),
        housekeeping: ApicId(0),
        memory,
        functions: vec![MachineFunction {
            address: RequesterId(0),
            virtual_functions: 2,
        }],
        console: SerialPort::FIRST,
        management,
        iommu: Iommu::Required,
    });
    (machine, proptest::collection::vec(any_partition(), 0..4)).prop_map(|(machine, partitions)| {
        Plan {
            machine,
            partitions,
        }
    })
}
