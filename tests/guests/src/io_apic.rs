//! The I/O APIC: its one input and the redirection entry that leads it to a core (Intel
//! 82093AA data sheet, section 3.0 "Register Description").

use crate::Failure;
use crate::memory::Region;

/// Where it is in a partition, and how much of it is looked at.
pub const ADDRESS: u64 = 0xfec0_0000;
pub const BYTES: u64 = 0x20;
/// Its two registers, and what the first one selects for the second.
pub const INDEX: u64 = 0;
const DATA: u64 = 0x10;
const VERSION: u32 = 0x01;
const ENTRY_LOW: u32 = 0x10;
const ENTRY_HIGH: u32 = 0x11;
/// What a redirection entry is from a reset on.
pub const MASKED: u32 = 1 << 16;

/// The I/O APIC.
pub struct IoApic(Region);

impl IoApic {
    /// The partition's I/O APIC.
    ///
    /// # Errors
    /// It has not exactly one input, or that one is not masked.
    pub fn find() -> Result<Self, Failure> {
        let none = Failure::new(format_args!("the I/O APIC's page is not to be had"));
        let io_apic = Self(Region::new(ADDRESS, BYTES).ok_or(none)?);
        let version = io_apic.read(VERSION);
        crate::ensure!(version == 0x11, "the I/O APIC's version is {version:#x}");
        let entry = io_apic.read(ENTRY_LOW);
        crate::ensure!(entry == MASKED, "the entry is {entry:#x} at first");
        Ok(io_apic)
    }

    fn read(&self, register: u32) -> u32 {
        self.0.write(INDEX, register);
        self.0.read(DATA)
    }

    /// Leads the input to the core with the APIC ID `destination`, at most 255, as the low half
    /// `entry` says; the answer is what the entry's low half then reads.
    pub fn redirect(&self, destination: u32, entry: u32) -> u32 {
        self.0.write(INDEX, ENTRY_LOW);
        self.0.write(DATA, MASKED);
        self.0.write(INDEX, ENTRY_HIGH);
        self.0.write(DATA, destination << 24);
        self.0.write(INDEX, ENTRY_LOW);
        self.0.write(DATA, entry);
        self.0.read(DATA)
    }
}
