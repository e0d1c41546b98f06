//! Message signalled interrupts: checks the address and data that a guest programs into a
//! device (Intel SDM 325384-080, volume 3A, section 11.11 "Message Signalled Interrupts").
//!
//! A guest has no interrupt remapping of its own, so its messages are in the compatibility
//! format with an 8-bit destination. What passes here is turned into an
//! interrupt-remapping entry by the caller; the message itself never reaches the device.

use addr::ApicId;

/// Vectors below are exceptions.
const LOWEST_VECTOR: u8 = 16;
/// Bits 63:20 of every message's address.
pub(crate) const ADDRESS_BASE: u64 = 0xfee0_0000;
const ADDRESS_BASE_MASK: u64 = !0xf_ffff;
/// Bits 11:4 and 1:0. An extended destination ID, where a hypervisor offers it, is in 11:5.
const ADDRESS_RESERVED: u64 = 0xff0 | 0b11;
const ADDRESS_LOGICAL: u64 = 1 << 2;
const DATA_LEVEL_TRIGGERED: u32 = 1 << 15;
const BROADCAST: u32 = 0xff;

/// An interrupt that a device of the guest's may raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupt {
    /// The vector, 16 or more.
    pub vector: u8,
    /// The core, one of the partition's own.
    pub destination: ApicId,
}

/// Why a message is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not the address of an interrupt message in the compatibility format.
    Address,
    /// The destination is not the partition's, or a broadcast.
    ForeignCore,
    /// SMI, NMI, INIT, ExtINT or a reserved mode.
    DeliveryMode,
    /// A vector below 16.
    Vector,
    /// Level-triggered, which no message of a PCI function is.
    LevelTriggered,
}

/// Decodes and checks a message. A logical destination that names several own cores goes to
/// the first of them: an interrupt-remapping entry here has one destination.
///
/// # Errors
/// The message is not the guest's to send, or is none.
pub fn check(address: u64, data: u32, own: &[ApicId]) -> Result<Interrupt, Refusal> {
    if address & ADDRESS_BASE_MASK != ADDRESS_BASE || address & ADDRESS_RESERVED != 0 {
        return Err(Refusal::Address);
    }
    let [vector, mode, ..] = data.to_le_bytes();
    // 000 is fixed, 001 is lowest priority.
    if mode & 0b110 != 0 {
        return Err(Refusal::DeliveryMode);
    }
    if data & DATA_LEVEL_TRIGGERED != 0 {
        return Err(Refusal::LevelTriggered);
    }
    if vector < LOWEST_VECTOR {
        return Err(Refusal::Vector);
    }
    // Bits 19:12.
    let [_, low, high, ..] = address.to_le_bytes();
    let destination = u32::from((low >> 4) | (high << 4));
    let core = if address & ADDRESS_LOGICAL != 0 {
        logical(destination, own)
    } else {
        own.iter()
            .find(|core| core.0 == destination && destination != BROADCAST)
            .copied()
    };
    let destination = core.ok_or(Refusal::ForeignCore)?;
    Ok(Interrupt {
        vector,
        destination,
    })
}

/// Eight bits of a logical x2APIC ID are the first eight cores of cluster 0. All cores that
/// they name must be own ones.
fn logical(destination: u32, own: &[ApicId]) -> Option<ApicId> {
    let named = |core: &&ApicId| core.logical() >> 16 == 0 && core.logical() & destination != 0;
    let count = own.iter().filter(named).count();
    let all_own = u32::try_from(count) == Ok(destination.count_ones());
    own.iter().find(named).copied().filter(|_| all_own)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OWN: &[ApicId] = &[ApicId(2), ApicId(3), ApicId(0x45)];

    #[test]
    fn a_fixed_message_to_an_own_core_passes() {
        let expected = Interrupt {
            vector: 0x31,
            destination: ApicId(0x45),
        };
        assert_eq!(check(0xfee4_5000, 0x31, OWN), Ok(expected));
        // Lowest priority, redirection hint, level assert without level trigger.
        assert_eq!(check(0xfee4_5008, 0x4131, OWN), Ok(expected));
    }

    #[test]
    fn a_foreign_core_is_refused() {
        for address in [0xfee0_0000, 0xfee0_1000, 0xfeef_f000, 0xfee4_6000] {
            assert_eq!(check(address, 0x31, OWN), Err(Refusal::ForeignCore));
        }
        assert_eq!(
            check(0xfeef_f000, 0x31, &[ApicId(0xff)]),
            Err(Refusal::ForeignCore)
        );
    }

    #[test]
    fn a_logical_destination_names_own_cores_only() {
        let first = Interrupt {
            vector: 0x31,
            destination: ApicId(2),
        };
        assert_eq!(check(0xfee0_c00c, 0x31, OWN), Ok(first));
        assert_eq!(
            check(0xfee0_800c, 0x31, OWN).map(|found| found.destination),
            Ok(ApicId(3))
        );
        assert_eq!(check(0xfee0_e00c, 0x31, OWN), Err(Refusal::ForeignCore));
        assert_eq!(check(0xfee0_000c, 0x31, OWN), Err(Refusal::ForeignCore));
    }

    #[test]
    fn dangerous_messages_are_refused() {
        for mode in 2_u32..8 {
            assert_eq!(
                check(0xfee0_2000, mode << 8 | 0x31, OWN),
                Err(Refusal::DeliveryMode)
            );
        }
        assert_eq!(check(0xfee0_2000, 0x0f, OWN), Err(Refusal::Vector));
        assert_eq!(
            check(0xfee0_2000, 0xc031, OWN),
            Err(Refusal::LevelTriggered)
        );
    }

    #[test]
    fn other_addresses_are_no_messages() {
        // Memory, an address above 4 GiB, the remappable format, an extended destination.
        for address in [
            0,
            0xfed0_2000,
            0x1_fee0_2000,
            0xfee0_2010,
            0xfee0_2020,
            0xfee0_2001,
        ] {
            assert_eq!(check(address, 0x31, OWN), Err(Refusal::Address));
        }
    }

    proptest! {
        #[test]
        fn what_passes_is_an_own_core_and_a_legal_vector(
            address in 0xfee0_0000_u64..0xfef0_0000, data: u32,
        ) {
            if let Ok(interrupt) = check(address, data, OWN) {
                prop_assert!(OWN.contains(&interrupt.destination));
                prop_assert!(interrupt.vector >= 16);
                prop_assert_eq!(data & 0x8600, 0);
            }
        }
    }
}
