//! What the exit qualification says (SDM, section 28.2.1 "Basic VM-Exit Information").

/// An access to a port (SDM, table 28-5 "Exit Qualification for I/O Instructions").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IoExit {
    /// The port.
    pub port: u16,
    /// The operand's size: 1, 2 or 4.
    pub bytes: u8,
    /// IN or INS: from the device to the guest.
    pub input: bool,
    /// INS or OUTS.
    pub string: bool,
    /// With a REP prefix.
    pub repeat: bool,
}

impl IoExit {
    const SIZE: u64 = 0b111;
    const SIZE_16: u64 = 1;
    const SIZE_32: u64 = 3;
    const TYPE_IN: u64 = 1 << 3;
    const STRING: u64 = 1 << 4;
    const REPEAT: u64 = 1 << 5;

    /// Decodes the qualification of an [`crate::ExitReason::IO_INSTRUCTION`].
    #[must_use]
    pub const fn decode(qualification: u64) -> Self {
        Self {
            port: (qualification >> 16) as u16,
            bytes: match qualification & Self::SIZE {
                Self::SIZE_32 => 4,
                Self::SIZE_16 => 2,
                _ => 1,
            },
            input: qualification & Self::TYPE_IN != 0,
            string: qualification & Self::STRING != 0,
            repeat: qualification & Self::REPEAT != 0,
        }
    }
}

/// An access that the extended page tables do not allow (SDM, table 28-7 "Exit Qualification
/// for EPT Violations").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EptViolation {
    /// An instruction fetch.
    pub instruction_fetch: bool,
    /// While the guest's own page table was read, not at the final address.
    pub during_table_walk: bool,
    /// The instruction was an IRET that had unblocked NMIs: they must be blocked again.
    pub nmi_unblocked: bool,
}

impl EptViolation {
    const INSTRUCTION_FETCH: u64 = 1 << 2;
    const LINEAR_ADDRESS_VALID: u64 = 1 << 7;
    const FINAL_ADDRESS: u64 = 1 << 8;
    const NMI_UNBLOCKED: u64 = 1 << 12;

    /// Decodes the qualification of an [`crate::ExitReason::EPT_VIOLATION`].
    #[must_use]
    pub const fn decode(qualification: u64) -> Self {
        Self {
            instruction_fetch: qualification & Self::INSTRUCTION_FETCH != 0,
            // Without a linear address the CPU loaded page-directory pointers for MOV CR.
            during_table_walk: qualification & Self::LINEAR_ADDRESS_VALID == 0
                || qualification & Self::FINAL_ADDRESS == 0,
            nmi_unblocked: qualification & Self::NMI_UNBLOCKED != 0,
        }
    }
}

/// An access to a control register that differs from its read shadow in a bit of root mode's
/// (SDM, table 28-3 "Exit Qualification for Control-Register Accesses").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlRegisterAccess {
    /// The register's number.
    pub register: u8,
}

impl ControlRegisterAccess {
    const REGISTER: u64 = 0xf;

    /// Decodes the qualification of an [`crate::ExitReason::CONTROL_REGISTER_ACCESS`].
    #[must_use]
    pub const fn decode(qualification: u64) -> Self {
        Self {
            register: (qualification & Self::REGISTER) as u8,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn out_of_a_byte_to_the_serial_port() {
        let exit = IoExit::decode(0x03f8_0000);
        assert_eq!((exit.port, exit.bytes, exit.input), (0x3f8, 1, false));
        assert!(!exit.string && !exit.repeat);
    }

    #[test]
    fn repeated_string_input_of_dwords() {
        let exit = IoExit::decode(0x0cf8_003b);
        assert_eq!((exit.port, exit.bytes, exit.input), (0xcf8, 4, true));
        assert!(exit.string && exit.repeat);
    }

    #[test]
    fn where_an_access_failed_is_told_apart() {
        let write = EptViolation::decode(0x182);
        assert!(!write.instruction_fetch && !write.during_table_walk && !write.nmi_unblocked);
        assert!(EptViolation::decode(0x184).instruction_fetch);
        assert!(EptViolation::decode(0x081).during_table_walk);
        assert!(EptViolation::decode(0x001).during_table_walk);
        assert!(EptViolation::decode(0x1182).nmi_unblocked);
    }

    #[test]
    fn the_control_register_is_told() {
        assert_eq!(ControlRegisterAccess::decode(0x304).register, 4);
    }

    proptest! {
        #[test]
        fn any_qualification_decodes_to_a_possible_size(qualification: u64) {
            let exit = IoExit::decode(qualification);
            prop_assert!([1, 2, 4].contains(&exit.bytes));
        }
    }
}
