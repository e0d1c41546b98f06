//! What a function is: the registers that no reset changes, and those that every reset
//! clears. Together they tell whether a function came back from its reset as it was.

use crate::capability::capabilities;
use crate::express::{self, Express};
use crate::header::{self, COMMAND_BUS_MASTER, COMMAND_MEMORY_SPACE};
use crate::msix::{self, Msix};
use crate::{CapabilityId, ConfigSpace};

/// The registers and capabilities that a function has for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Vendor and device ID, revision and class code, subsystem IDs. A virtual function reads
    /// all ones in the first.
    words: [u32; 3],
    /// The places of the capabilities, a bit for each dword of the first 256 bytes.
    capabilities: u64,
    express: Option<Express>,
    msix: Option<Msix>,
}

impl Identity {
    /// Reads what the function is.
    #[must_use]
    pub fn read(config: &impl ConfigSpace) -> Self {
        let places = capabilities(config).map(|found| u32::from(found.offset / 4));
        Self {
            words: [
                config.read32(header::VENDOR_ID),
                config.read32(header::REVISION_ID),
                config.read32(header::SUBSYSTEM_VENDOR_ID),
            ],
            capabilities: places.fold(0, |set, place| set | 1_u64.wrapping_shl(place)),
            express: express::read(config),
            msix: msix::read(config),
        }
    }

    /// Whether the function can be reset alone.
    #[must_use]
    pub const fn has_function_level_reset(&self) -> bool {
        match self.express {
            Some(express) => express.function_level_reset,
            None => false,
        }
    }
}

/// Whether the function is as a reset leaves it: it neither decodes nor issues requests, none
/// of its requests is unanswered, and its messages are off.
#[must_use]
pub fn is_reset(config: &impl ConfigSpace) -> bool {
    let on = COMMAND_BUS_MASTER | COMMAND_MEMORY_SPACE;
    let is_silent = config.read16(header::COMMAND) & on == 0;
    let is_pending =
        express::read(config).is_some_and(|express| express.read_transactions_pending(config));
    let mut messages = capabilities(config).filter_map(|found| match found.id {
        CapabilityId::MSIX => Some((found.offset, msix::CONTROL_ENABLE)),
        CapabilityId::MSI => Some((found.offset, MSI_ENABLE)),
        _ => None,
    });
    let sends = messages.any(|(offset, enable)| {
        let control = offset.wrapping_add(msix::CONTROL);
        config.read16(control) & enable != 0
    });
    is_silent && !is_pending && !sends
}

/// Message Control of MSI, at the same place as MSI-X': MSI is on.
const MSI_ENABLE: u16 = 1 << 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn what_a_reset_clears_is_not_identity() {
        let config = fake::physical_function();
        let before = Identity::read(&config);
        config.set16(header::COMMAND, 0x0406);
        config.set16(0x88, 0x2810);
        config.set16(0x42, 0xc010);
        assert_eq!(Identity::read(&config), before);
        assert!(before.has_function_level_reset());
    }

    #[test]
    fn another_function_is_told_apart() {
        let before = Identity::read(&fake::physical_function());
        let changes = [
            (0x00, 0x0011_1b36),
            (0x08, 0x0108_0203),
            (0x2c, 0x1100_1af4),
            (0x40, 0x000f_8011),
            (0x44, 0x3000),
            (0x60, 0x0003_7001),
            (0x84, 0x8000),
        ];
        for (offset, value) in changes {
            let config = fake::physical_function();
            config.set32(offset, value);
            assert_ne!(Identity::read(&config), before, "{offset:#x}");
        }
        assert_ne!(Identity::read(&fake::FakeConfigSpace::absent()), before);
    }

    #[test]
    fn each_thing_that_is_still_on_shows() {
        assert!(is_reset(&fake::physical_function()));
        let leftovers = [
            (header::COMMAND, COMMAND_BUS_MASTER),
            (header::COMMAND, COMMAND_MEMORY_SPACE),
            (0x8a, express::STATUS_TRANSACTIONS_PENDING),
            (0x42, msix::CONTROL_ENABLE),
        ];
        for (offset, value) in leftovers {
            let config = fake::physical_function();
            config.set16(offset, value);
            assert!(!is_reset(&config), "{offset:#x}");
        }
        assert!(!is_reset(&fake::FakeConfigSpace::absent()));
    }
}
