//! What EXITINFO1 and EXITINFO2 say.

use addr::GuestPhysical;
use guest_access::{Direction, MemoryFault, PortAccess};

/// What an [`crate::ExitCode::IOIO`] tells (APM volume 2, section 15.10.2 "IN and OUT Behavior",
/// figure 15-2 "EXITINFO1 for IOIO Intercept"; EXITINFO2 is the RIP of the next instruction).
///
/// The address size and the segment of string forms are not decoded: root mode does not
/// emulate those, and QEMU does not report them.
#[must_use]
pub fn port_access(exit_info_1: u64, exit_info_2: u64) -> PortAccess {
    const TYPE_IN: u64 = 1 << 0;
    const STRING: u64 = 1 << 2;
    const REPEAT: u64 = 1 << 3;
    const SIZE_16: u64 = 1 << 5;
    const SIZE_32: u64 = 1 << 6;
    let has = |bit: u64| exit_info_1 & bit != 0;
    PortAccess {
        port: (exit_info_1 >> 16) as u16,
        bytes: match (has(SIZE_32), has(SIZE_16)) {
            (true, _) => 4,
            (false, true) => 2,
            (false, false) => 1,
        },
        direction: if has(TYPE_IN) {
            Direction::In
        } else {
            Direction::Out
        },
        string: has(STRING),
        repeat: has(REPEAT),
        next_rip: exit_info_2,
    }
}

/// What an [`crate::ExitCode::NPF`] tells (APM volume 2, section 15.25.6 "Nested versus Guest
/// Page Faults, Fault Ordering").
#[must_use]
pub const fn memory_fault(exit_info_1: u64, exit_info_2: u64) -> MemoryFault {
    const INSTRUCTION_FETCH: u64 = 1 << 4;
    const DURING_TABLE_WALK: u64 = 1 << 33;
    MemoryFault {
        address: GuestPhysical::new(exit_info_2),
        fetch: exit_info_1 & INSTRUCTION_FETCH != 0,
        during_walk: exit_info_1 & DURING_TABLE_WALK != 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn out_of_a_byte_to_the_serial_port() {
        let exit = port_access(0x03f8_0010, 0x1002);
        assert_eq!(
            (exit.port, exit.bytes, exit.direction),
            (0x3f8, 1, Direction::Out)
        );
        assert_eq!(
            (exit.string, exit.repeat, exit.next_rip),
            (false, false, 0x1002)
        );
    }

    #[test]
    fn repeated_string_input_of_dwords() {
        let exit = port_access(0x0cf8_004d, 0);
        assert_eq!(
            (exit.port, exit.bytes, exit.direction),
            (0xcf8, 4, Direction::In)
        );
        assert!(exit.string && exit.repeat);
    }

    #[test]
    fn a_write_to_an_absent_page() {
        let fault = memory_fault(0x1_0000_0006, 0xb000_0004);
        assert_eq!(fault.address, GuestPhysical::new(0xb000_0004));
        assert!(!fault.during_walk && !fault.fetch);
    }

    #[test]
    fn a_guests_page_table_in_absent_memory() {
        assert!(memory_fault(0x2_0000_0006, 0).during_walk);
    }

    proptest! {
        #[test]
        fn any_information_decodes_to_a_possible_size(first: u64, second: u64) {
            let exit = port_access(first, second);
            prop_assert!([1, 2, 4].contains(&exit.bytes));
        }
    }
}
