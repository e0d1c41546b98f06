//! The few admin commands that provisioning needs (NVM Express Base Specification 2.0c,
//! chapter 5 "Admin Command Set").

/// Identify Controller: Optional Admin Command Support (Figure 275).
pub const OPTIONAL_ADMIN_COMMANDS_OFFSET: usize = 256;
/// Namespace Management and Attachment.
pub const OPTIONAL_NAMESPACE_MANAGEMENT: u16 = 1 << 3;
/// Virtualization Management.
pub const OPTIONAL_VIRTUALIZATION: u16 = 1 << 7;

const IDENTIFY: u32 = 0x06;
const NAMESPACE_ATTACHMENT: u32 = 0x15;
const VIRTUALIZATION_MANAGEMENT: u32 = 0x1c;
const CNS_CONTROLLER: u32 = 0x01;
const CNS_NAMESPACES: u32 = 0x10;
const CNS_ATTACHED_CONTROLLERS: u32 = 0x12;
const CNS_PRIMARY_CAPABILITIES: u32 = 0x14;
const CNS_SECONDARY_LIST: u32 = 0x15;
const SELECT_DETACH: u32 = 1;
const ACTION_ASSIGN: u32 = 0x8;
const ACTION_ONLINE: u32 = 0x9;

/// A controller list has at most this many entries (Base Specification 2.0c, section 4.4.1
/// "Controller List Format").
pub const CONTROLLER_LIST_ENTRIES: usize = 2047;

/// What a secondary controller can be given (Figure 363, field Resource Type).
#[derive(Debug, Clone, Copy)]
pub enum Resource {
    /// VQ: submission and completion queue pairs.
    Queues,
    /// VI: interrupt vectors.
    Interrupts,
}

impl Resource {
    const fn code(self) -> u32 {
        match self {
            Self::Queues => 0,
            Self::Interrupts => 1,
        }
    }

    /// Primary Controller Capabilities (Figure 287): the offset of the largest number that
    /// one secondary controller may have, VQFRSM and VIFRSM.
    pub const fn maximum_for_secondary_offset(self) -> usize {
        match self {
            Self::Queues => 44,
            Self::Interrupts => 76,
        }
    }
}

/// An entry of the Secondary Controller List (Figure 289), as offsets into the data.
pub struct SecondaryEntry(usize);

impl SecondaryEntry {
    /// Entry `index`.
    pub const fn at(index: usize) -> Self {
        Self(index.saturating_mul(32).saturating_add(32))
    }

    /// Where the controller's identifier is.
    pub const fn controller(&self) -> usize {
        self.0
    }

    /// Where the virtual function's number is.
    pub const fn virtual_function(&self) -> usize {
        self.0.saturating_add(8)
    }
}

/// An admin command: its name for messages, and the dwords that are not 0.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// The specification's name.
    pub name: &'static str,
    /// Command dword 0, without the command identifier.
    pub opcode: u32,
    /// The namespace.
    pub namespace: u32,
    /// Command dword 10.
    pub dword_10: u32,
    /// Command dword 11.
    pub dword_11: u32,
}

impl Command {
    const fn identify(cns: u32) -> Self {
        Self {
            name: "Identify",
            opcode: IDENTIFY,
            namespace: 0,
            dword_10: cns,
            dword_11: 0,
        }
    }

    /// Identify Controller.
    pub const fn identify_controller() -> Self {
        Self::identify(CNS_CONTROLLER)
    }

    /// Identify: Allocated Namespace ID list, from the first on.
    pub const fn identify_namespaces() -> Self {
        Self::identify(CNS_NAMESPACES)
    }

    /// Identify: Namespace Attached Controller list.
    pub const fn identify_attached_controllers(namespace: u32) -> Self {
        let identify = Self::identify(CNS_ATTACHED_CONTROLLERS);
        Self {
            namespace,
            ..identify
        }
    }

    /// Identify: Primary Controller Capabilities.
    pub const fn identify_primary_capabilities() -> Self {
        Self::identify(CNS_PRIMARY_CAPABILITIES)
    }

    /// Identify: Secondary Controller List.
    pub const fn identify_secondary_controllers() -> Self {
        Self::identify(CNS_SECONDARY_LIST)
    }

    /// Secondary Controller Assign: `controller` gets `count` of `resource`.
    pub const fn assign(controller: u16, resource: Resource, count: u16) -> Self {
        let dword_10 = ACTION_ASSIGN | (resource.code() << 8) | ((controller as u32) << 16);
        Self::virtualization(dword_10, count as u32)
    }

    /// Secondary Online.
    pub const fn online(controller: u16) -> Self {
        Self::virtualization(ACTION_ONLINE | ((controller as u32) << 16), 0)
    }

    const fn virtualization(dword_10: u32, dword_11: u32) -> Self {
        let name = "Virtualization Management";
        Self {
            name,
            opcode: VIRTUALIZATION_MANAGEMENT,
            namespace: 0,
            dword_10,
            dword_11,
        }
    }

    /// Detaches `namespace` from the controllers of the list in the data page.
    pub const fn detach(namespace: u32) -> Self {
        let attach = Self::attach(namespace);
        Self {
            dword_10: SELECT_DETACH,
            ..attach
        }
    }

    /// Attaches `namespace` to the controllers of the list in the data page.
    pub const fn attach(namespace: u32) -> Self {
        let name = "Namespace Attachment";
        Self {
            name,
            opcode: NAMESPACE_ATTACHMENT,
            namespace,
            dword_10: 0,
            dword_11: 0,
        }
    }
}
