//! The rules of a plan: one name and one remedy each.

use core::fmt;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $remedy:literal;)*) => {
        /// A rule that a plan can break.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The rule's name, by which messages, tests and documents call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What to do about it.
            #[must_use]
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)*
                }
            }
        }
    };
}

rules! {
    /// The plan's file cannot be read, or is no text.
    PlanUnreadable, "plan-unreadable", "name a readable file of UTF-8 text";
    /// The source is no TOML.
    Syntax, "syntax", "correct the TOML here";
    /// The source is for another version of the plan's format.
    UnsupportedVersion, "unsupported-version", "write `version = 3`, or use the tool of that version";
    /// A key that no plan has.
    UnknownKey, "unknown-key", "remove the key, or correct its spelling";
    /// A key that must be there is not.
    MissingKey, "missing-key", "add the key";
    /// A value of another type than the key's.
    WrongType, "wrong-type", "write a value of the type that is expected";
    /// A value of the right type that means nothing.
    WrongValue, "wrong-value", "write a value of the form that is expected";
    /// Two keys that exclude each other.
    ConflictingKeys, "conflicting-keys", "keep one of the two keys";
    /// The machine's table lists something twice.
    MachineDuplicate, "machine-duplicate", "list each core, byte of memory and function of the machine once";
    /// A 16550 whose eight ports do not exist.
    SerialPortInvalid, "serial-port-invalid", "name the first of the eight ports, 0x1 to 0xfff8";
    /// The console and the management channel would have a port in common.
    SerialPortsOverlap, "serial-ports-overlap", "give the management channel a serial port of its own";
    /// There is no partition.
    NoPartitions, "no-partitions", "add a [[partition]]";
    /// There are more partitions than Bulkhead handles.
    TooManyPartitions, "too-many-partitions", "have at most 64 partitions";
    /// A partition has more PCI functions than Bulkhead handles.
    TooManyFunctions, "too-many-functions", "give a partition at most 29 PCI functions";
    /// A name is empty, too long or has other characters than names have.
    NameInvalid, "name-invalid", "choose 1 to 31 characters of a to z, 0 to 9 and `-`";
    /// Two partitions have one name.
    DuplicatePartitionName, "duplicate-partition-name", "rename one of the two partitions";
    /// A partition has no core.
    NoCores, "no-cores", "give the partition a core";
    /// A core is given away twice.
    CoreUsedTwice, "core-used-twice", "give each core to one partition, once";
    /// A core that the machine does not have.
    UnknownCore, "unknown-core", "name a core of the machine by its APIC ID";
    /// The housekeeping core is given to a partition.
    HousekeepingCoreUsed, "housekeeping-core-used", "leave the housekeeping core to Bulkhead";
    /// A partition has no memory.
    NoMemory, "no-memory", "give the partition memory";
    /// A byte of memory is given away twice.
    MemoryOverlap, "memory-overlap", "move or shorten one of the two ranges";
    /// Memory that the machine does not have.
    MemoryOutsideMachine, "memory-outside-machine", "stay within the machine's usable memory";
    /// Memory that is not made of 2 MiB pages.
    MemoryMisaligned, "memory-misaligned", "start and end at a multiple of 2 MiB (0x200000)";
    /// A PCI function that the machine does not have.
    UnknownFunction, "unknown-function", "name a PCI function of the machine";
    /// A PCI function is given away twice.
    FunctionGivenTwice, "function-given-twice", "give each PCI function to one partition, once";
    /// A PCI function is given away where nothing confines its DMA.
    FunctionNeedsIommu, "function-needs-iommu", "write `iommu = \"required\"`, or give no PCI function away";
    /// A physical function is given away beside one of its virtual functions.
    PhysicalFunctionGiven, "physical-function-given", "give away the physical function or virtual functions of it, not both";
    /// A virtual function that the physical function cannot have.
    VirtualFunctionTooHigh, "virtual-function-too-high", "stay within the number of virtual functions";
    /// Virtual functions are numbered from 1.
    VirtualFunctionZero, "virtual-function-zero", "count virtual functions from 1";
    /// A namespace identifier that names no single namespace.
    NamespaceInvalid, "namespace-invalid", "name one namespace, 1 to 0xfffffffe";
    /// An NVMe namespace is given away twice.
    NamespaceGivenTwice, "namespace-given-twice", "give each namespace to one virtual function";
    /// A command line is too long.
    CommandLineTooLong, "command-line-too-long", "shorten the command line to 2047 bytes";
    /// A command line has a control character.
    CommandLineCharacter, "command-line-character", "remove the control character";
    /// A number of restarts that is none, or without end.
    RestartLimitInvalid, "restart-limit-invalid", "allow 1 to 1000 restarts in a row";
    /// A limit of denied accesses at which no guest could begin.
    DeniedLimitInvalid, "denied-limit-invalid", "allow at least one denied access, or remove the limit";
    /// A right over a partition that the plan does not have.
    UnknownPartition, "unknown-partition", "name a partition of this plan";
    /// A partition is given two rights over one partition.
    RightGivenTwice, "right-given-twice", "name each partition once: who may control it may see it, too";
    /// Room for new images that is not made of 2 MiB pages.
    RoomInvalid, "room-invalid", "ask for a multiple of 2 MiB, at least 2 MiB";
    /// Room for new images that the machine does not have beside its partitions.
    RoomMissing, "room-missing", "leave as much memory, in one piece, to no partition, or ask for less room";
    /// An image is not there.
    ImageMissing, "image-missing", "put the image there, or correct its name";
    /// An image has no bytes.
    ImageEmpty, "image-empty", "fetch or build the image again";
    /// An image that no memory would make a start of.
    ImageUnusable, "image-unusable", "is this the right file?";
    /// An image that would start in more memory than its partition has.
    ImageTooLarge, "image-too-large", "give the partition more memory";
    /// An image is not the one that was meant.
    ImageChecksum, "image-checksum", "fetch or build the image again, or correct the checksum";
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::limits;

    #[test]
    fn names_are_kebab_case_and_unique() {
        for (index, rule) in Rule::ALL.iter().enumerate() {
            let name = rule.name();
            assert!(
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{name}"
            );
            assert!(
                Rule::ALL[..index]
                    .iter()
                    .all(|before| before.name() != name),
                "{name}"
            );
            assert!(!rule.remedy().is_empty());
        }
    }

    #[test]
    fn remedies_name_the_limits_as_they_are() {
        let limits = [
            (Rule::TooManyPartitions, limits::MAX_PARTITIONS),
            (Rule::TooManyFunctions, limits::MAX_FUNCTIONS),
            (Rule::NameInvalid, limits::MAX_NAME),
            (Rule::RestartLimitInvalid, limits::MAX_RESTARTS.into()),
            (Rule::CommandLineTooLong, limits::MAX_COMMAND_LINE),
        ];
        for (rule, limit) in limits {
            assert!(rule.remedy().contains(&limit.to_string()), "{rule}");
        }
    }
}
