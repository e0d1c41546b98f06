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
        let [low, high] = entry.0;
        let offset = u64::from(index).wrapping_mul(ENTRY_BYTES);
        let high_offset = offset.wrapping_add(8);
        let before = self.memory.read_u64(offset).unwrap_or(0);
        // The unit may look between two writes: the present bit goes first and comes last.
        for (offset, word) in [(offset, 0), (high_offset, high), (offset, low)] {
            let written = self.memory.write_u64(offset, word);
            written.map_err(|_| IommuError::OutOfInterrupts)?;
        }
        self.memory.flush_line(offset);
        Ok(InterruptRemappingEntry([before, 0]).is_present())
    }
}
