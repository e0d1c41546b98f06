//! An I/O APIC with one input, set up by the guest as it sets up any (Intel 82093AA data
//! sheet, order number 290566-001, section 3.0 "Register Description").
//!
//! Two registers of 32 bits in memory: the index selects, the data register shows what is
//! selected. The input is edge-triggered: there is no end of interrupt to be told, and an
//! entry asks for nothing that a device's message could not ([`message::check`]).
//!
//! Not handled: level-triggered interrupts, which are refused; the identification register
//! keeps its 0.

use addr::ApicId;

use crate::message::{self, Interrupt, Refusal};

/// The index register's place.
pub const INDEX: u64 = 0x00;
/// The data register's place.
pub const DATA: u64 = 0x10;
/// The number of inputs.
pub const INPUTS: u8 = 1;

/// Registers behind the index.
const VERSION: u8 = 0x01;
const ENTRY_LOW: u8 = 0x10;
const ENTRY_HIGH: u8 = 0x11;
/// An 82093AA, and in bits 23:16 the number of the last input.
const VERSION_82093AA: u32 = 0x11 | (INPUTS as u32).wrapping_sub(1) << 16;

/// A redirection entry's bits that a guest may set: all but delivery status (12) and remote
/// IRR (14) of the low half, the destination alone of the high half.
const LOW_WRITABLE: u32 = 0x1_afff;
const HIGH_WRITABLE: u32 = 0xff00_0000;
const LOGICAL: u32 = 1 << 11;
const MASKED: u32 = 1 << 16;
/// The bits that mean the same in a message's data: vector, delivery mode, trigger mode.
const MESSAGE_DATA: u32 = 0x87ff;

/// The I/O APIC's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoApic {
    index: u8,
    low: u32,
    high: u32,
}

impl IoApic {
    /// As after a reset: the entry is masked.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            index: 0,
            low: MASKED,
            high: 0,
        }
    }

    /// What the register at `offset` reads; `None` if there is none. A register that the
    /// index selects and that does not exist reads 0.
    #[must_use]
    pub const fn read(&self, offset: u64) -> Option<u32> {
        match (offset, self.index) {
            (INDEX, index) => Some(index as u32),
            (DATA, VERSION) => Some(VERSION_82093AA),
            (DATA, ENTRY_LOW) => Some(self.low),
            (DATA, ENTRY_HIGH) => Some(self.high),
            (DATA, _) => Some(0),
            _ => None,
        }
    }

    /// Writes the register at `offset`; what it then asks for is in [`IoApic::interrupt`].
    /// `None` if there is none.
    pub const fn write(&mut self, offset: u64, value: u32) -> Option<()> {
        match (offset, self.index) {
            (INDEX, _) => self.index = value.to_le_bytes()[0],
            (DATA, ENTRY_LOW) => self.low = value & LOW_WRITABLE,
            (DATA, ENTRY_HIGH) => self.high = value & HIGH_WRITABLE,
            (DATA, _) => {}
            _ => return None,
        }
        Some(())
    }

    /// The interrupt that the input raises in a partition with the cores `own`; `None` while
    /// it is masked.
    ///
    /// # Errors
    /// The entry asks for an interrupt that is not the guest's to raise.
    pub fn interrupt(&self, own: &[ApicId]) -> Result<Option<Interrupt>, Refusal> {
        if self.low & MASKED != 0 {
            return Ok(None);
        }
        // Bits 31:24 are bits 19:12 of a message's address, bit 11 is its bit 2.
        let logical = if self.low & LOGICAL == 0 { 0 } else { 0b100 };
        let address = message::ADDRESS_BASE | u64::from(self.high >> 12) | logical;
        message::check(address, self.low & MESSAGE_DATA, own).map(Some)
    }
}

impl Default for IoApic {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &[ApicId] = &[ApicId(2), ApicId(3), ApicId(0x45)];

    /// Writes as a driver does: index, then data.
    fn set(io_apic: &mut IoApic, register: u8, value: u32) {
        io_apic.write(INDEX, register.into()).unwrap();
        io_apic.write(DATA, value).unwrap();
    }

    fn get(io_apic: &mut IoApic, register: u8) -> u32 {
        io_apic.write(INDEX, register.into()).unwrap();
        io_apic.read(DATA).unwrap()
    }

    fn programmed(high: u32, low: u32) -> IoApic {
        let mut io_apic = IoApic::new();
        set(&mut io_apic, ENTRY_HIGH, high);
        set(&mut io_apic, ENTRY_LOW, low);
        io_apic
    }

    #[test]
    fn one_input_is_offered_and_masked_at_first() {
        let mut io_apic = IoApic::new();
        assert_eq!(get(&mut io_apic, VERSION), 0x11);
        assert_eq!(get(&mut io_apic, ENTRY_LOW), MASKED);
        assert_eq!(io_apic.interrupt(OWN), Ok(None));
    }

    #[test]
    fn an_open_entry_to_an_own_core_interrupts_it() {
        let expected = Interrupt {
            vector: 0x31,
            destination: ApicId(0x45),
        };
        // Fixed; lowest priority with low polarity; the logical name of core 2.
        let found = programmed(0x4500_0000, 0x31).interrupt(OWN);
        assert_eq!(found, Ok(Some(expected)));
        let found = programmed(0x4500_0000, 0x2131).interrupt(OWN);
        assert_eq!(found, Ok(Some(expected)));
        let found = programmed(0x0400_0000, 0x831).interrupt(OWN);
        assert_eq!(found.map(|one| one.unwrap().destination), Ok(ApicId(2)));
    }

    #[test]
    fn what_no_message_may_do_no_entry_may() {
        for (high, low, refusal) in [
            (0x0100_0000, 0x31, Refusal::ForeignCore),
            (0xff00_0000, 0x31, Refusal::ForeignCore),
            (0x0200_0000, 0x0f, Refusal::Vector),
            (0x0200_0000, 0x8031, Refusal::LevelTriggered),
            (0x0200_0000, 0x231, Refusal::DeliveryMode),
            (0x0200_0000, 0x431, Refusal::DeliveryMode),
            (0x0200_0000, 0x531, Refusal::DeliveryMode),
            (0x0200_0000, 0x731, Refusal::DeliveryMode),
        ] {
            let entry = programmed(high, low);
            assert_eq!(entry.interrupt(OWN), Err(refusal), "{high:#x} {low:#x}");
            let masked = programmed(high, low | MASKED);
            assert_eq!(masked.interrupt(OWN), Ok(None));
        }
    }

    #[test]
    fn what_is_not_there_reads_zero_and_takes_nothing() {
        let mut io_apic = programmed(u32::MAX, u32::MAX);
        assert_eq!(get(&mut io_apic, ENTRY_LOW), 0x1_afff);
        assert_eq!(get(&mut io_apic, ENTRY_HIGH), 0xff00_0000);
        let before = io_apic.clone();
        set(&mut io_apic, 0x12, u32::MAX);
        set(&mut io_apic, 0, u32::MAX);
        set(&mut io_apic, ENTRY_HIGH, u32::MAX);
        assert_eq!(io_apic, before);
        assert_eq!(get(&mut io_apic, 0), 0);
        assert_eq!(get(&mut io_apic, 0x12), 0);
        assert_eq!(io_apic.read(0x20), None);
        assert_eq!(io_apic.write(0x40, 0), None);
    }

    proptest! {
        #[test]
        fn whatever_is_written_only_own_cores_are_reached(
            writes in prop::collection::vec((0_u64..0x50, any::<u32>()), 0..32),
            high: u32,
            low: u32,
        ) {
            let mut io_apic = programmed(high, low);
            for (offset, value) in writes {
                let _ = io_apic.write(offset, value);
                let _ = io_apic.read(offset);
                if let Ok(Some(interrupt)) = io_apic.interrupt(OWN) {
                    prop_assert!(OWN.contains(&interrupt.destination));
                    prop_assert!(interrupt.vector >= 16);
                }
            }
        }
    }
}
