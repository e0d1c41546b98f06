//! The SPCR's serial port (Microsoft, Serial Port Console Redirection Table, revision 1.10;
//! reserved by ACPI 6.5, section 5.2.6).
//!
//! Used is a 16550 at I/O ports that speaks 115,200 baud: everything else is named and left.

use byte_fields::u64_at;
use thiserror::Error;

use crate::table::{HEADER_BYTES, TableError, table};

/// Interface types: a 16550, one that is a 16450 at first, and one that the address describes.
const COMPATIBLE_16550: [u8; 3] = [0x00, 0x01, 0x12];
const INTERFACE: usize = HEADER_BYTES;
/// A generic address structure (ACPI 6.5, section 5.2.3.2): space, width, offset, access size,
/// then the address.
const ADDRESS_SPACE: usize = HEADER_BYTES + 4;
const ADDRESS: usize = ADDRESS_SPACE + 4;
const SYSTEM_IO: u8 = 1;
const BAUD_RATE: usize = 58;
/// As the firmware has set it, and 115,200.
const BAUD_RATES: [u8; 2] = [0, 7];
/// The last port at which the eight ports of a 16550 can begin.
const LAST_PORT: u16 = 0xfff8;

/// Why an SPCR's serial port is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SpcrError {
    /// The bytes are no SPCR.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The interface type is none of a 16550.
    #[error("its interface {0:#x} is no 16550")]
    Interface(u8),
    /// The registers are not at I/O ports, but in this address space.
    #[error("it is in address space {0}, not at I/O ports")]
    AddressSpace(u8),
    /// No 16550 can be at this port.
    #[error("no 16550 can be at port {0:#x}")]
    Port(u64),
    /// The baud rate with this number is another one.
    #[error("its baud rate, number {0}, is not 115,200")]
    BaudRate(u8),
}

/// The first I/O port of the 16550 that `bytes`, an SPCR, names.
///
/// # Errors
/// The bytes are not an SPCR, do not add up, or name something else.
pub fn serial_port(bytes: &[u8]) -> Result<u16, SpcrError> {
    let spcr = table(bytes, b"SPCR")?;
    let byte = |at: usize| spcr.get(at).copied().ok_or(TableError::Truncated);
    let interface = byte(INTERFACE)?;
    if !COMPATIBLE_16550.contains(&interface) {
        return Err(SpcrError::Interface(interface));
    }
    let space = byte(ADDRESS_SPACE)?;
    if space != SYSTEM_IO {
        return Err(SpcrError::AddressSpace(space));
    }
    let baud_rate = byte(BAUD_RATE)?;
    if !BAUD_RATES.contains(&baud_rate) {
        return Err(SpcrError::BaudRate(baud_rate));
    }
    let address = u64_at(spcr, ADDRESS).ok_or(TableError::Truncated)?;
    let port = u16::try_from(address).ok();
    port.filter(|port| (1..=LAST_PORT).contains(port))
        .ok_or(SpcrError::Port(address))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use proptest::prelude::*;
    use std::vec::Vec;

    use super::*;
    use crate::table::tests::sealed;

    /// An SPCR of 80 bytes, revision 2.
    fn spcr(interface: u8, space: u8, address: u64, baud_rate: u8) -> Vec<u8> {
        let mut body = std::vec![0_u8; 44];
        body[0] = interface;
        body[4..8].copy_from_slice(&[space, 8, 0, 1]);
        body[8..16].copy_from_slice(&address.to_le_bytes());
        body[22] = baud_rate;
        sealed(b"SPCR", &body)
    }

    #[test]
    fn a_16550_at_a_port_is_found() {
        for interface in [0, 1, 0x12] {
            for baud_rate in [0, 7] {
                let table = spcr(interface, 1, 0x2f8, baud_rate);
                assert_eq!(serial_port(&table), Ok(0x2f8));
            }
        }
    }

    #[test]
    fn everything_else_is_named() {
        for (table, expected) in [
            (spcr(3, 1, 0x3f8, 7), SpcrError::Interface(3)),
            (spcr(0, 0, 0xfe03_2000, 7), SpcrError::AddressSpace(0)),
            (spcr(0, 1, 0x3f8, 3), SpcrError::BaudRate(3)),
            (spcr(0, 1, 0, 7), SpcrError::Port(0)),
            (spcr(0, 1, 0xfff9, 7), SpcrError::Port(0xfff9)),
            (spcr(0, 1, 0x1_03f8, 7), SpcrError::Port(0x1_03f8)),
        ] {
            assert_eq!(serial_port(&table), Err(expected));
        }
    }

    #[test]
    fn a_table_that_ends_early_or_is_another_is_no_spcr() {
        let truncated = Err(SpcrError::Table(TableError::Truncated));
        let whole = spcr(0, 1, 0x3f8, 7);
        for bytes in 0..=BAUD_RATE - HEADER_BYTES {
            let body = &whole[HEADER_BYTES..HEADER_BYTES + bytes];
            assert_eq!(serial_port(&sealed(b"SPCR", body)), truncated, "{bytes}");
        }
        assert_eq!(serial_port(&whole[..60]), truncated);
        let other = serial_port(&sealed(b"DBG2", &[0; 44]));
        assert_eq!(other, Err(SpcrError::Table(TableError::Signature)));
    }

    proptest! {
        #[test]
        fn any_body_is_survived_and_what_is_found_is_a_port(body: Vec<u8>) {
            if let Ok(port) = serial_port(&sealed(b"SPCR", &body)) {
                prop_assert!((1..=LAST_PORT).contains(&port));
            }
        }

        #[test]
        fn any_serial_port_is_judged(
            interface in 0_u8..0x14,
            space in 0_u8..3,
            address in prop_oneof![any::<u64>(), 0_u64..0x1_0010],
            baud_rate in 0_u8..9,
        ) {
            let table = spcr(interface, space, address, baud_rate);
            let good = [0, 1, 0x12].contains(&interface)
                && space == 1
                && [0, 7].contains(&baud_rate)
                && (1..=0xfff8).contains(&address);
            prop_assert_eq!(serial_port(&table).is_ok(), good);
        }
    }
}
