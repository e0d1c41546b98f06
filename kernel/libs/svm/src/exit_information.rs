//! What EXITINFO1 and EXITINFO2 say.

use addr::GuestPhysical;

/// An access to a port (APM volume 2, section 15.10.2 "IN and OUT Behavior", figure 15-2
/// "EXITINFO1 for IOIO Intercept").
///
/// The address size and the segment of string forms are not decoded: root mode does not
/// emulate those, and QEMU does not report them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoExit {
    /// The port.
    pub port: u16,
    /// The operand's size: 1, 2 or 4.
    pub bytes: u8,
    /// IN, not OUT.
    pub input: bool,
    /// INS or OUTS.
    pub string: bool,
    /// With a REP prefix.
    pub repeat: bool,
    /// The RIP of the next instruction.
    pub next_rip: u64,
}

impl IoExit {
    const TYPE_IN: u64 = 1 << 0;
    const STRING: u64 = 1 << 2;
    const REPEAT: u64 = 1 << 3;
    const SIZE_16: u64 = 1 << 5;
    const SIZE_32: u64 = 1 << 6;

    /// Decodes the information of an [`crate::ExitCode::IOIO`].
    #[must_use]
    pub const fn decode(exit_info_1: u64, exit_info_2: u64) -> Self {
        let bytes = if exit_info_1 & Self::SIZE_32 != 0 {
            4
        } else if exit_info_1 & Self::SIZE_16 != 0 {
            2
        } else {
            1
        };
        Self {
            port: (exit_info_1 >> 16) as u16,
            bytes,
            input: exit_info_1 & Self::TYPE_IN != 0,
            string: exit_info_1 & Self::STRING != 0,
            repeat: exit_info_1 & Self::REPEAT != 0,
            next_rip: exit_info_2,
        }
    }
}

/// An access that the nested page table does not allow (APM volume 2, section 15.25.6 "Nested
/// versus Guest Page Faults, Fault Ordering").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NestedPageFault {
    /// Where.
    pub address: GuestPhysical,
    /// An instruction fetch.
    pub instruction_fetch: bool,
    /// While the guest's own page table was read, not at the final address.
    pub during_table_walk: bool,
}

impl NestedPageFault {
    const INSTRUCTION_FETCH: u64 = 1 << 4;
    const DURING_TABLE_WALK: u64 = 1 << 33;

    /// Decodes the information of an [`crate::ExitCode::NPF`].
    #[must_use]
    pub const fn decode(exit_info_1: u64, exit_info_2: u64) -> Self {
        Self {
            address: GuestPhysical::new(exit_info_2),
            instruction_fetch: exit_info_1 & Self::INSTRUCTION_FETCH != 0,
            during_table_walk: exit_info_1 & Self::DURING_TABLE_WALK != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn out_of_a_byte_to_the_serial_port() {
        let exit = IoExit::decode(0x03f8_0010, 0x1002);
        assert_eq!((exit.port, exit.bytes, exit.input), (0x3f8, 1, false));
        assert_eq!(
            (exit.string, exit.repeat, exit.next_rip),
            (false, false, 0x1002)
        );
    }

    #[test]
    fn repeated_string_input_of_dwords() {
        let exit = IoExit::decode(0x0cf8_004d, 0);
        assert_eq!((exit.port, exit.bytes, exit.input), (0xcf8, 4, true));
        assert!(exit.string && exit.repeat);
    }

    #[test]
    fn a_write_to_an_absent_page() {
        let fault = NestedPageFault::decode(0x1_0000_0006, 0xb000_0004);
        assert_eq!(fault.address, GuestPhysical::new(0xb000_0004));
        assert!(!fault.during_table_walk && !fault.instruction_fetch);
    }

    #[test]
    fn a_guests_page_table_in_absent_memory() {
        assert!(NestedPageFault::decode(0x2_0000_0006, 0).during_table_walk);
    }

    proptest! {
        #[test]
        fn any_information_decodes_to_a_possible_size(first: u64, second: u64) {
            let exit = IoExit::decode(first, second);
            prop_assert!([1, 2, 4].contains(&exit.bytes));
        }
    }
}
