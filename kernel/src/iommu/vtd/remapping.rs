//! The interrupt-remapping table (VT-d, section 9.9 "Interrupt Remapping Table Entry").

use addr::HostPhysical;
use vtd::InterruptRemappingEntry;
use vtd::remapping::{ENTRIES, ENTRY_BYTES};

use super::super::{InterruptBlock, IommuError};
use crate::host::frames;
use crate::host::physical::Ram;

/// The table, one page for all functions together, and how much of it is given away.
pub struct Remapping {
    memory: Ram,
    used: u16,
}

impl Remapping {
    /// A table without entries: no device can raise an interrupt.
    pub fn new() -> Result<Self, IommuError> {
        let memory = frames::allocate(1).ok_or(IommuError::OutOfFrames)?;
        memory.flush();
        Ok(Self { memory, used: 0 })
    }

    /// Where the table is.
    pub fn table(&self) -> HostPhysical {
        self.memory.range().start()
    }

    /// Takes `count` consecutive entries, for good.
    pub fn allocate(&mut self, count: u16) -> Result<InterruptBlock, IommuError> {
        let end = self.used.checked_add(count).filter(|end| *end <= ENTRIES);
        let end = end.ok_or(IommuError::OutOfInterrupts)?;
        let first = core::mem::replace(&mut self.used, end);
        Ok(InterruptBlock { first, count })
    }

    /// Writes entry `index`; whether another one was present before. The caller invalidates.
    pub fn set(&mut self, index: u16, entry: InterruptRemappingEntry) -> Result<bool, IommuError> {
        let offset = u64::from(index).wrapping_mul(ENTRY_BYTES);
        let before = self.memory.replace_entry(offset, entry.0);
        let before = before.map_err(|_| IommuError::OutOfInterrupts)?;
        Ok(InterruptRemappingEntry([before, 0]).is_present())
    }
}
