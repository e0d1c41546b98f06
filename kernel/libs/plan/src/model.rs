//! What a plan says.
//!
//! A value of these types is well formed but not yet checked: [`crate::check`] does that.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use addr::{ApicId, HostPhysical, Range, RequesterId};
use serde::{Deserialize, Serialize};

/// The static description of a machine's partitioning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The machine that the plan is for.
    pub machine: Machine,
    /// The partitions, in the order of the source.
    pub partitions: Vec<Partition>,
}

/// The machine as the plan expects it. The kernel fits the plan against the real one again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Every core that may be used.
    pub cores: Vec<ApicId>,
    /// The core that runs the management channel, never a guest.
    pub housekeeping: ApicId,
    /// The RAM that partitions may be given.
    pub memory: Vec<Range<HostPhysical>>,
    /// The PCI functions that partitions may be given.
    pub functions: Vec<MachineFunction>,
    /// Where Bulkhead writes its messages.
    pub console: SerialPort,
    /// Where the management channel is, if there is one.
    pub management: Option<SerialPort>,
    /// Whether partitions may do without an IOMMU.
    pub iommu: Iommu,
}

/// Where a 16550 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SerialPort {
    /// Its first register is at this I/O port.
    At(u16),
    /// Where the firmware's table SPCR says.
    Spcr,
}

impl SerialPort {
    /// The I/O port of the PC's first serial port.
    pub const FIRST_PORT: u16 = 0x3f8;
    /// The PC's first serial port.
    pub const FIRST: Self = Self::At(Self::FIRST_PORT);
}

/// What the plan asks of the IOMMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Iommu {
    /// Bulkhead does not start a partition without one.
    #[default]
    Required,
    /// The machine has none; no partition may then own a PCI function.
    None,
}

/// A PCI function of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineFunction {
    /// Its requester ID.
    pub address: RequesterId,
    /// How many virtual functions it can have: 0 if it is no SR-IOV physical function.
    pub virtual_functions: u16,
}

/// What one guest owns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// Its name, also on the management channel.
    pub name: String,
    /// Its cores; the first one boots.
    pub cores: Vec<ApicId>,
    /// Its RAM, in pages of 2 MiB.
    pub memory: Vec<Range<HostPhysical>>,
    /// Its PCI functions, in the order in which the guest finds them.
    pub functions: Vec<Function>,
    /// What it starts with.
    pub image: Image,
    /// Which ends of its guest are followed by a new start.
    pub restart: Restart,
    /// Whether it is offered the configuration ports 0xcf8 and 0xcfc besides ECAM.
    pub config_ports: bool,
    /// How many accesses its guest may be denied before it is stopped; without it, any number.
    pub denied_limit: Option<u32>,
    /// The partitions, maybe itself among them, that it may see on a management channel.
    pub may_see: Vec<String>,
    /// Those that it may control as well. None is in both lists.
    pub may_control: Vec<String>,
    /// The bytes of memory that are kept for images in place of its own.
    pub image_room: Option<u64>,
}

/// A PCI function given to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Function {
    /// A function of the machine, with all that it can do.
    Whole {
        /// Its requester ID.
        address: RequesterId,
    },
    /// An SR-IOV virtual function, which Bulkhead enables.
    Virtual {
        /// The requester ID of its physical function.
        physical: RequesterId,
        /// Its number, from 1 on.
        number: u16,
        /// The NVMe namespace that Bulkhead attaches to it.
        namespace: Option<u32>,
    },
}

impl Function {
    /// The function of the machine that this one is, or is a part of.
    #[must_use]
    pub const fn physical(self) -> RequesterId {
        match self {
            Self::Whole { address } => address,
            Self::Virtual { physical, .. } => physical,
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { address } => write!(formatter, "function {address}"),
            Self::Virtual {
                physical, number, ..
            } => write!(formatter, "virtual function {number} of {physical}"),
        }
    }
}

/// Which ends of a partition's guest are followed by a new start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Restart {
    /// None: a restart that the guest asks for stops the partition, too.
    Never,
    /// A restart that the guest asks for.
    #[default]
    OnReboot,
    /// That, and a guest that did not end by its own wish.
    OnFault {
        /// How often in a row.
        limit: u16,
    },
}

/// What a partition starts with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Image {
    /// A Linux bzImage, started by the 64-bit boot protocol.
    Linux {
        /// The bzImage.
        kernel: ImageIndex,
        /// The initial RAM disk.
        initial_ramdisk: Option<ImageIndex>,
        /// The kernel's arguments.
        command_line: String,
    },
    /// An ELF file with a PVH note.
    Elf {
        /// The ELF file.
        kernel: ImageIndex,
        /// Its arguments.
        command_line: String,
    },
}

impl Image {
    /// The image of the kernel.
    #[must_use]
    pub const fn kernel(&self) -> ImageIndex {
        match self {
            Self::Linux { kernel, .. } | Self::Elf { kernel, .. } => *kernel,
        }
    }

    /// The image of the initial RAM disk.
    #[must_use]
    pub const fn initial_ramdisk(&self) -> Option<ImageIndex> {
        match self {
            Self::Linux {
                initial_ramdisk, ..
            } => *initial_ramdisk,
            Self::Elf { .. } => None,
        }
    }

    /// The arguments.
    #[must_use]
    pub fn command_line(&self) -> &str {
        match self {
            Self::Linux { command_line, .. } | Self::Elf { command_line, .. } => command_line,
        }
    }
}

/// An entry of the bundle. Entry 0 is the plan itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageIndex(pub u16);

/// One of the images that a partition starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImagePart {
    /// The kernel, or the ELF file of a bare guest.
    Kernel,
    /// The initial RAM disk.
    InitialRamdisk,
}

impl fmt::Display for ImagePart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl ImagePart {
    /// Both, the kernel first.
    pub const ALL: [Self; 2] = [Self::Kernel, Self::InitialRamdisk];

    /// The image's name, as the command line has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::InitialRamdisk => "initrd",
        }
    }
}
