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
const SELECT_ATTACH: u32 = 0;
const SELECT_DETACH: u32 = 1;
const ACTION_ASSIGN: u32 = 0x8;
const ACTION_ONLINE: u32 = 0x9;

/// A controller list has at most this many entries (Base Specification 2.0c, section 4.4.1
/// "Controller List Format").
pub const CONTROLLER_LIST_ENTRIES: usize = 2047;

/// What a secondary controller can be given (Figure 363, field Resource Type).
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    code: u32,
    /// Primary Controller Capabilities (Figure 287): the offset of the largest number that
    /// one secondary controller may have, VQFRSM and VIFRSM.
    pub maximum_offset: usize,
}

impl Resource {
    /// VQ, submission and completion queue pairs, and VI, interrupt vectors.
    pub const ALL: [Self; 2] = [Self::new(0, 44), Self::new(1, 76)];

    const fn new(code: u32, maximum_offset: usize) -> Self {
        Self {
            code,
            maximum_offset,
        }
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
    /// Identify Controller.
    pub const IDENTIFY_CONTROLLER: Self = Self::identify(0x01, 0);
    /// Identify: Allocated Namespace ID list, from the first on.
    pub const IDENTIFY_NAMESPACES: Self = Self::identify(0x10, 0);
    /// Identify: Primary Controller Capabilities.
    pub const IDENTIFY_PRIMARY_CAPABILITIES: Self = Self::identify(0x14, 0);
    /// Identify: Secondary Controller List.
    pub const IDENTIFY_SECONDARY_CONTROLLERS: Self = Self::identify(0x15, 0);

    /// Identify: Namespace Attached Controller list.
    pub const fn identify_attached_controllers(namespace: u32) -> Self {
        Self::identify(0x12, namespace)
    }

    const fn identify(structure: u32, namespace: u32) -> Self {
        Self {
            name: "Identify",
            opcode: IDENTIFY,
            namespace,
            dword_10: structure,
            dword_11: 0,
        }
    }

    /// Secondary Controller Assign: `controller` gets `count` of `resource`.
    pub const fn assign(controller: u16, resource: Resource, count: u16) -> Self {
        Self::virtualization(controller, ACTION_ASSIGN | resource.code << 8, count)
    }

    /// Secondary Online.
    pub const fn online(controller: u16) -> Self {
        Self::virtualization(controller, ACTION_ONLINE, 0)
    }

    const fn virtualization(controller: u16, action: u32, count: u16) -> Self {
        Self {
            name: "Virtualization Management",
            opcode: VIRTUALIZATION_MANAGEMENT,
            namespace: 0,
            dword_10: action | (controller as u32) << 16,
            dword_11: count as u32,
        }
    }

    /// Attaches `namespace` to the controllers of the list in the data page.
    pub const fn attach(namespace: u32) -> Self {
        Self::attachment(namespace, SELECT_ATTACH)
    }

    /// Detaches `namespace` from the controllers of the list in the data page.
    pub const fn detach(namespace: u32) -> Self {
        Self::attachment(namespace, SELECT_DETACH)
    }

    const fn attachment(namespace: u32, select: u32) -> Self {
        Self {
            name: "Namespace Attachment",
            opcode: NAMESPACE_ATTACHMENT,
            namespace,
            dword_10: select,
            dword_11: 0,
        }
    }
}
