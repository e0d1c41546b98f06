//! MSI-X programming (PCI Express Base Specification 6.0, section 7.7.2 "MSI-X Capability and
//! Table Structures").

use crate::Failure;
use crate::memory::Region;
use crate::pci::Function;

const CAPABILITY: u8 = 0x11;
const CONTROL: u64 = 2;
const TABLE: u64 = 4;
const ENABLE: u16 = 1 << 15;
const FUNCTION_MASK: u16 = 1 << 14;
const SIZE: u16 = 0x7ff;
const ENTRY_BYTES: u64 = 16;
/// Where messages go: the destination is in bits 19:12.
const ADDRESS: u32 = 0xfee0_0000;
const MASKED: u32 = 1;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// The address; its high half is 0 in all of these tests.
    pub address: u32,
    /// The data.
    pub data: u32,
}

impl Message {
    /// A fixed interrupt for one core.
    #[must_use]
    pub const fn fixed(apic_id: u32, vector: u8) -> Self {
        Self {
            address: ADDRESS | (apic_id & 0xff) << 12,
            data: vector as u32,
        }
    }
}

/// The MSI-X table of a function.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    entries: Region,
    count: u64,
}

impl Table {
    /// The table of `function`, which answers in memory; turns its MSI-X on.
    ///
    /// # Errors
    /// If it has none.
    pub fn enable(function: &Function) -> Result<Self, Failure> {
        let none = Failure::new(format_args!("the function has no MSI-X"));
        let at = function.capability(CAPABILITY).ok_or(none)?;
        let control = function.read::<u16>(at.wrapping_add(CONTROL));
        let table = function.read::<u32>(at.wrapping_add(TABLE));
        let count = u64::from(control & SIZE).wrapping_add(1);
        let bar = function.bar(u64::from(table & 7));
        let address = bar.wrapping_add(u64::from(table & !7));
        let entries = Region::new(address, count.wrapping_mul(ENTRY_BYTES)).ok_or(none)?;
        function.write(at.wrapping_add(CONTROL), control & !FUNCTION_MASK | ENABLE);
        Ok(Self { entries, count })
    }

    /// The number of entries.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes an entry and unmasks it.
    pub fn write(&self, index: u64, message: Message) {
        let at = index.wrapping_mul(ENTRY_BYTES);
        self.entries.write(at.wrapping_add(12), MASKED);
        self.entries.write(at, message.address);
        self.entries.write(at.wrapping_add(4), 0_u32);
        self.entries.write(at.wrapping_add(8), message.data);
        self.entries.write(at.wrapping_add(12), 0_u32);
    }

    /// Masks an entry.
    pub fn mask(&self, index: u64) {
        let at = index.wrapping_mul(ENTRY_BYTES);
        self.entries.write(at.wrapping_add(12), MASKED);
    }

    /// Reads an entry's message back.
    #[must_use]
    pub fn read(&self, index: u64) -> Message {
        let at = index.wrapping_mul(ENTRY_BYTES);
        Message {
            address: self.entries.read(at),
            data: self.entries.read(at.wrapping_add(8)),
        }
    }
}
