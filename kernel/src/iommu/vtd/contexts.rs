//! Root table and context tables: what each function's requests go through (VT-d, sections
//! 9.1 "Root Entry" and 9.3 "Context Entry").

extern crate alloc;
use alloc::vec::Vec;

use addr::{HostPhysical, RequesterId};
use vtd::{ContextEntry, RootEntry};

use super::super::IommuError;
use crate::host::frames;
use crate::host::physical::Ram;

const ENTRY_BYTES: u64 = 16;

/// The root table and the context tables of all buses that have one.
pub struct Contexts {
    root: Ram,
    tables: Vec<(u8, Ram)>,
}

impl Contexts {
    /// A root table without entries: everything is blocked.
    pub fn new() -> Result<Self, IommuError> {
        let root = frames::allocate(1).ok_or(IommuError::OutOfFrames)?;
        root.flush();
        Ok(Self {
            root,
            tables: Vec::new(),
        })
    }

    /// Where the root table is.
    pub fn root(&self) -> HostPhysical {
        self.root.range().start()
    }

    /// Sets what the function at `address` reaches. The caller invalidates.
    ///
    /// # Errors
    /// It reaches something already, so the requester ID is somebody's: where a VF is, its PF
    /// says, which may lie. Or no memory is left for a table.
    pub fn set(&mut self, address: RequesterId, entry: ContextEntry) -> Result<(), IommuError> {
        let bus = address.bus();
        if !self.tables.iter().any(|(known, _)| *known == bus) {
            if !entry.is_present() {
                return Ok(());
            }
            self.add_table(bus)?;
        }
        let table = self.tables.iter().find(|(known, _)| *known == bus);
        let (_, table) = table.ok_or(IommuError::OutOfFrames)?;
        if entry.is_present() && is_present(table, address.device_function()) {
            return Err(IommuError::Taken(address));
        }
        write_entry(table, address.device_function(), entry.0);
        Ok(())
    }

    fn add_table(&mut self, bus: u8) -> Result<(), IommuError> {
        let table = frames::allocate(1).ok_or(IommuError::OutOfFrames)?;
        table.flush();
        write_entry(&self.root, bus, RootEntry::new(table.range().start()).0);
        self.tables.push((bus, table));
        Ok(())
    }
}

/// Where entry `index` is. A table has 256 of 16 bytes, a page: none is outside.
fn offset(index: u8) -> u64 {
    u64::from(index).wrapping_mul(ENTRY_BYTES)
}

fn is_present(table: &Ram, index: u8) -> bool {
    let low = table.read_u64(offset(index)).unwrap_or(0);
    ContextEntry([low, 0]).is_present()
}

fn write_entry(table: &Ram, index: u8, entry: [u64; 2]) {
    let _ = table.replace_entry(offset(index), entry);
}
