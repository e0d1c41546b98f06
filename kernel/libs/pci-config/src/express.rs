//! The PCI Express capability (PCI Express Base Specification 5.0, section 7.5.3 "PCI
//! Express Capability Structure").

use crate::ConfigSpace;
use crate::capability::{self, CapabilityId};

/// PCI Express Capabilities register, 16 bits, from the capability's start.
pub const FLAGS: u16 = 0x02;
/// Device Capabilities, 32 bits.
pub const DEVICE_CAPABILITIES: u16 = 0x04;
/// Device Control, 16 bits.
pub const DEVICE_CONTROL: u16 = 0x08;
/// Device Status, 16 bits.
pub const DEVICE_STATUS: u16 = 0x0a;
/// Device Capabilities 2, 32 bits.
pub const DEVICE_CAPABILITIES_2: u16 = 0x24;
/// Device Control 2, 16 bits.
pub const DEVICE_CONTROL_2: u16 = 0x28;

/// Device Capabilities: a function level reset is possible.
pub const CAPABLE_OF_FUNCTION_LEVEL_RESET: u32 = 1 << 28;
/// Device Control: relaxed ordering may be used.
pub const CONTROL_RELAXED_ORDERING: u16 = 1 << 4;
/// Device Control: the No Snoop attribute may be used.
pub const CONTROL_NO_SNOOP: u16 = 1 << 11;
/// Device Control: writing 1 starts a function level reset.
pub const CONTROL_FUNCTION_LEVEL_RESET: u16 = 1 << 15;
/// Device Status: requests are still unanswered.
pub const STATUS_TRANSACTIONS_PENDING: u16 = 1 << 5;
/// Device Capabilities 2: the port can forward by ARI.
pub const CAPABLE_OF_ARI_FORWARDING: u32 = 1 << 5;
/// Device Control 2: the port forwards by ARI.
pub const CONTROL_2_ARI_FORWARDING: u16 = 1 << 5;

/// Device/Port Type, bits 7:4 of the capabilities register (section 7.5.3.2 "PCI Express
/// Capabilities Register").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortType(pub u8);

impl PortType {
    /// A root port.
    pub const ROOT: Self = Self(4);
    /// The port of a switch that leads to the root.
    pub const UPSTREAM: Self = Self(5);
    /// Any other port of a switch.
    pub const DOWNSTREAM: Self = Self(6);
}

/// Where the capability is and what it says once and for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Express {
    /// Where the capability starts.
    pub capability: u16,
    /// The version of its layout; the registers ending in 2 need version 2.
    pub version: u8,
    /// What kind of port or endpoint this is.
    pub port_type: PortType,
    /// Whether the function can be reset alone.
    pub function_level_reset: bool,
}

/// Reads the capability; `None` for a conventional PCI function.
#[must_use]
pub fn read(config: &impl ConfigSpace) -> Option<Express> {
    let start = capability::find(config, CapabilityId::EXPRESS)?;
    let [flags, _] = config.read16(start.wrapping_add(FLAGS)).to_le_bytes();
    let capabilities = config.read32(start.wrapping_add(DEVICE_CAPABILITIES));
    Some(Express {
        capability: start,
        version: flags & 0xf,
        port_type: PortType(flags >> 4),
        function_level_reset: capabilities & CAPABLE_OF_FUNCTION_LEVEL_RESET != 0,
    })
}

impl Express {
    /// The offset of Device Control in the function's configuration space.
    #[must_use]
    pub const fn device_control(&self) -> u16 {
        self.capability.wrapping_add(DEVICE_CONTROL)
    }

    /// The offset of Device Status in the function's configuration space.
    #[must_use]
    pub const fn device_status(&self) -> u16 {
        self.capability.wrapping_add(DEVICE_STATUS)
    }

    /// Whether requests of the function's are still unanswered.
    #[must_use]
    pub fn read_transactions_pending(&self, config: &impl ConfigSpace) -> bool {
        config.read16(self.device_status()) & STATUS_TRANSACTIONS_PENDING != 0
    }

    /// Starts a function level reset. The function may not be touched for the next 100 ms
    /// (section 6.6.2 "Function Level Reset (FLR)"), and loses all its settings.
    pub fn start_function_level_reset(&self, config: &impl ConfigSpace) {
        let control = config.read16(self.device_control());
        config.write16(
            self.device_control(),
            control | CONTROL_FUNCTION_LEVEL_RESET,
        );
    }

    /// Lets a root port or downstream port forward to functions above 7 of the one device
    /// behind it (section 6.13 "Alternative Routing-ID Interpretation (ARI)"); whether it can.
    pub fn enable_ari_forwarding(&self, config: &impl ConfigSpace) -> bool {
        let capabilities = self.capability.wrapping_add(DEVICE_CAPABILITIES_2);
        if self.version < 2 || config.read32(capabilities) & CAPABLE_OF_ARI_FORWARDING == 0 {
            return false;
        }
        let control = self.capability.wrapping_add(DEVICE_CONTROL_2);
        config.write16(control, config.read16(control) | CONTROL_2_ARI_FORWARDING);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn an_endpoint_is_read() {
        let express = read(&fake::physical_function()).unwrap();
        assert_eq!(express.version, 2);
        assert!(express.function_level_reset);
        assert_eq!(
            (express.device_control(), express.device_status()),
            (0x88, 0x8a)
        );
    }

    #[test]
    fn pending_transactions_show() {
        let config = fake::physical_function();
        let express = read(&config).unwrap();
        assert!(!express.read_transactions_pending(&config));
        config.set16(0x8a, STATUS_TRANSACTIONS_PENDING);
        assert!(express.read_transactions_pending(&config));
    }

    #[test]
    fn a_reset_keeps_the_other_control_bits() {
        let config = fake::physical_function();
        config.set16(0x88, 0x2810);
        read(&config).unwrap().start_function_level_reset(&config);
        assert_eq!(config.read16(0x88), 0xa810);
    }

    #[test]
    fn ari_forwarding_needs_the_ports_capability() {
        let port = fake::root_port();
        let express = read(&port).unwrap();
        assert!(express.enable_ari_forwarding(&port));
        assert_eq!(port.read16(0x80 + 0x28), CONTROL_2_ARI_FORWARDING);
        port.set32(0x80 + 0x24, 0);
        assert!(!express.enable_ari_forwarding(&port));
    }
}
