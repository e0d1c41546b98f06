//! Where in a plan something is said.

use core::fmt;

/// A place in a plan, as a path. The source form maps it to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The plan as a whole.
    Plan,
    /// `machine.housekeeping`
    Housekeeping,
    /// `machine.console`
    Console,
    /// `machine.management`
    Management,
    /// `machine.cores[…]`
    MachineCore(usize),
    /// `machine.memory[…]`
    MachineMemory(usize),
    /// `machine.function[…]`
    MachineFunction(usize),
    /// A place in `partition[…]`
    Partition(usize, PartitionPlace),
}

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionPlace {
    /// The partition as a whole.
    Whole,
    /// Its name.
    Name,
    /// The list of its cores.
    Cores,
    /// One of its cores.
    Core(usize),
    /// The list of its memory.
    Memory,
    /// One range of its memory.
    MemoryRange(usize),
    /// One of its functions.
    Function(usize),
    /// The number of a virtual function.
    VirtualNumber(usize),
    /// The namespace of a virtual function.
    Namespace(usize),
    /// The kernel's image.
    Kernel,
    /// The initial RAM disk's image.
    InitialRamdisk,
    /// The arguments.
    CommandLine,
    /// How often it may be restarted.
    RestartLimit,
    /// How often it may be denied something.
    DeniedLimit,
    /// One of the partitions that it may see.
    MaySee(usize),
    /// One of the partitions that it may control.
    MayControl(usize),
    /// The room for new images.
    Room,
}

impl Place {
    /// The partition that the place is in.
    #[must_use]
    pub const fn partition(self) -> Option<usize> {
        match self {
            Self::Partition(index, _) => Some(index),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan => formatter.write_str("plan"),
            Self::Housekeeping => formatter.write_str("machine.housekeeping"),
            Self::Console => formatter.write_str("machine.console"),
            Self::Management => formatter.write_str("machine.management"),
            Self::MachineCore(index) => write!(formatter, "machine.cores[{index}]"),
            Self::MachineMemory(index) => write!(formatter, "machine.memory[{index}]"),
            Self::MachineFunction(index) => write!(formatter, "machine.function[{index}]"),
            Self::Partition(index, place) => write!(formatter, "partition[{index}]{place}"),
        }
    }
}

impl fmt::Display for PartitionPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Name => formatter.write_str(".name"),
            Self::Cores => formatter.write_str(".cores"),
            Self::Core(index) => write!(formatter, ".cores[{index}]"),
            Self::Memory => formatter.write_str(".memory"),
            Self::MemoryRange(index) => write!(formatter, ".memory[{index}]"),
            Self::Function(index) => write!(formatter, ".function[{index}]"),
            Self::VirtualNumber(index) => write!(formatter, ".function[{index}].virtual"),
            Self::Namespace(index) => write!(formatter, ".function[{index}].namespace"),
            Self::Kernel => formatter.write_str(".image.kernel"),
            Self::InitialRamdisk => formatter.write_str(".image.initrd"),
            Self::CommandLine => formatter.write_str(".image.command_line"),
            Self::RestartLimit => formatter.write_str(".restart_limit"),
            Self::DeniedLimit => formatter.write_str(".denied_limit"),
            Self::MaySee(index) => write!(formatter, ".may_see[{index}]"),
            Self::MayControl(index) => write!(formatter, ".may_control[{index}]"),
            Self::Room => formatter.write_str(".image.room"),
        }
    }
}
