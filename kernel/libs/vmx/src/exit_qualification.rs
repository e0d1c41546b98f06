//! What the exit qualification says (SDM, section 28.2.1 "Basic VM-Exit Information").

use addr::GuestPhysical;
use guest_access::{Direction, MemoryFault, PortAccess};

/// What an [`crate::ExitReason::IO_INSTRUCTION`] tells of an access that goes on at `next_rip`
/// (SDM, table 28-5 "Exit Qualification for I/O Instructions").
#[must_use]
pub fn port_access(qualification: u64, next_rip: u64) -> PortAccess {
    const SIZE: u64 = 0b111;
    const SIZE_16: u64 = 1;
    const SIZE_32: u64 = 3;
    const TYPE_IN: u64 = 1 << 3;
    const STRING: u64 = 1 << 4;
    const REPEAT: u64 = 1 << 5;
    let has = |bit: u64| qualification & bit != 0;
    PortAccess {
        port: (qualification >> 16) as u16,
        bytes: match qualification & SIZE {
            SIZE_32 => 4,
            SIZE_16 => 2,
            _ => 1,
        },
        direction: if has(TYPE_IN) {
            Direction::In
        } else {
            Direction::Out
        },
        string: has(STRING),
        repeat: has(REPEAT),
        next_rip,
    }
}

/// What an [`crate::ExitReason::EPT_VIOLATION`] at `address` tells (SDM, table 28-7 "Exit
/// Qualification for EPT Violations").
#[must_use]
pub const fn memory_fault(qualification: u64, address: GuestPhysical) -> MemoryFault {
    const INSTRUCTION_FETCH: u64 = 1 << 2;
    const LINEAR_ADDRESS_VALID: u64 = 1 << 7;
    const FINAL_ADDRESS: u64 = 1 << 8;
    MemoryFault {
        address,
        fetch: qualification & INSTRUCTION_FETCH != 0,
        // Without a linear address the CPU loaded page-directory pointers for MOV CR.
        during_walk: qualification & LINEAR_ADDRESS_VALID == 0
            || qualification & FINAL_ADDRESS == 0,
    }
}

/// Whether the instruction that brought an [`crate::ExitReason::EPT_VIOLATION`] about was an IRET
/// that had unblocked NMIs: they must be blocked again.
#[must_use]
pub const fn has_unblocked_nmi(qualification: u64) -> bool {
    qualification & 1 << 12 != 0
}

/// The number of the control register whose bit of root mode's a guest wants to be other than its
/// read shadow (SDM, table 28-3 "Exit Qualification for Control-Register Accesses").
#[must_use]
pub const fn control_register(qualification: u64) -> u8 {
    (qualification & 0xf) as u8
}

/// DR6, which was `before`, as the delivery of a debug exception that exits would have left it
/// (SDM, table 28-1 "Exit Qualification for Debug Exceptions", and volume 3B, section 18.2.3 "Debug
/// Status Register (DR6)"): of a bus lock and of a transaction it tells by a bit that is clear.
#[must_use]
pub const fn debug_status(qualification: u64, before: u64) -> u64 {
    const BREAKPOINTS: u64 = 0b1111;
    const BUS_LOCK: u64 = 1 << 11;
    const REGISTER_ACCESS: u64 = 1 << 13;
    const SINGLE_STEP: u64 = 1 << 14;
    const TRANSACTION: u64 = 1 << 16;
    let told = qualification & (BREAKPOINTS | REGISTER_ACCESS | SINGLE_STEP);
    let set = (before & !BREAKPOINTS) | TRANSACTION | told;
    set & !(qualification & (BUS_LOCK | TRANSACTION))
}

/// DR7, which was `before`, likewise: the handler can use the debug registers.
#[must_use]
pub const fn debug_control(before: u64) -> u64 {
    const GENERAL_DETECT: u64 = 1 << 13;
    before & !GENERAL_DETECT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn out_of_a_byte_to_the_serial_port() {
        let exit = port_access(0x03f8_0000, 0x1002);
        assert_eq!(
            (exit.port, exit.bytes, exit.direction),
            (0x3f8, 1, Direction::Out)
        );
        assert!(!exit.string && !exit.repeat && exit.next_rip == 0x1002);
    }

    #[test]
    fn repeated_string_input_of_dwords() {
        let exit = port_access(0x0cf8_003b, 0);
        assert_eq!(
            (exit.port, exit.bytes, exit.direction),
            (0xcf8, 4, Direction::In)
        );
        assert!(exit.string && exit.repeat);
    }

    #[test]
    fn where_an_access_failed_is_told_apart() {
        let fault = |qualification| memory_fault(qualification, GuestPhysical::new(0x1000));
        assert!(!fault(0x182).fetch && !fault(0x182).during_walk && !has_unblocked_nmi(0x182));
        assert!(fault(0x184).fetch);
        assert!(fault(0x081).during_walk);
        assert!(fault(0x001).during_walk);
        assert!(has_unblocked_nmi(0x1182));
    }

    #[test]
    fn the_control_register_is_told() {
        assert_eq!(control_register(0x304), 4);
    }

    #[test]
    fn a_debug_exception_is_told_in_dr6() {
        const NOTHING: u64 = 0xffff_0ff0;
        let status = |qualification| debug_status(qualification, NOTHING);
        assert_eq!(status(0), NOTHING);
        assert_eq!(status(0x4000), 0xffff_4ff0);
        assert_eq!(status(0x2000), 0xffff_2ff0);
        assert_eq!(status(0x4005), 0xffff_4ff5);
        // Told by a bit that is clear.
        assert_eq!(status(0x0800), 0xffff_07f0);
        assert_eq!(status(0x1_0001), 0xfffe_0ff1);
    }

    #[test]
    fn dr6_forgets_breakpoints_and_nothing_else() {
        assert_eq!(debug_status(0x4000, 0xffff_2fff), 0xffff_6ff0);
        assert_eq!(debug_status(0x4000, 0xfffe_0ff0), 0xffff_4ff0);
    }

    #[test]
    fn the_handler_can_use_the_debug_registers() {
        assert_eq!(debug_control(0x2401), 0x0401);
    }

    proptest! {
        #[test]
        fn any_qualification_decodes_to_a_possible_size(qualification: u64) {
            let exit = port_access(qualification, 0);
            prop_assert!([1, 2, 4].contains(&exit.bytes));
        }
    }
}
